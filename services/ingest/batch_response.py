"""Reads a batch line by line as it arrives and streams one result line for each, in order."""

from collections.abc import AsyncIterator, Sequence

import msgspec
from fastapi import Response
from starlette.types import Receive, Scope, Send

from schemas.topics import Topic
from services.ingest.metrics import RequestKind
from services.ingest.ndjson import BodyLine, LineSplitter
from services.ingest.pipeline import Stage, run
from services.ingest.quota import PracticeQuota
from services.ingest.refusal import Refusal, RefusalReason, RefusedRequest, unreadable
from services.ingest.request_batch import Caller, IngestContext, RatingAttempt, RequestBatch
from services.ingest.result_stream import ResultStream
from services.runtime.http.problem import Problem
from services.runtime.http.request_body import BodyTooLarge, BodyTooSlow, ClientDisconnected, read_chunks

MEDIA_TYPE = "application/x-ndjson"

GROUP_LINES = 256
"""Largest number of lines that go through the stages together and share one wait for acknowledgements."""

TOO_MANY_STREAMS = Refusal(
    RefusalReason.TOO_MANY_STREAMS,
    "This practice has too many batches open. Wait until one of them ends.",
    retry_after_s=1,
)


class BatchResponse(Response):
    """Reads the body while it responds: the results of a group leave once its last record is settled.

    When the caller disconnects, reading stops, and an incomplete last line is ignored.
    """

    media_type = MEDIA_TYPE

    def __init__(
        self,
        context: IngestContext,
        stages: Sequence[Stage],
        caller: Caller,
        quota: PracticeQuota,
        topic: Topic,
    ) -> None:
        super().__init__()
        self._context = context
        self._stages = stages
        self._caller = caller
        self._quota = quota
        self._topic = topic
        self._last_line = 0
        """Number of the last line that has a result."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to the request in as many pieces as it takes."""
        if self._quota.streams >= self._context.settings.max_streams_per_practice:
            self._context.metrics.refused_request(TOO_MANY_STREAMS.reason)
            await TOO_MANY_STREAMS.problem().response()(scope, receive, send)
            return
        self._quota.streams += 1
        results = ResultStream(send, MEDIA_TYPE, self._context.settings.read_timeout_s)
        try:
            metrics = self._context.metrics
            with metrics.streams.track_inprogress(), metrics.request_seconds[RequestKind.BATCH].time():
                await self._process(receive, results)
                await results.close()
        except ClientDisconnected:
            results.abandon()
        except BaseException:
            results.abandon()
            raise
        finally:
            self._quota.streams -= 1

    async def _process(self, receive: Receive, results: ResultStream) -> None:
        try:
            async for lines in self._read_lines(receive):
                for start in range(0, len(lines), GROUP_LINES):
                    await self._process_group(lines[start : start + GROUP_LINES], results)
        except RefusedRequest as error:
            await self._stop(error.refusal, results)
        except (BodyTooLarge, BodyTooSlow) as error:
            await self._stop(unreadable(error, self._context.settings.max_batch_bytes), results)
        except Problem as problem:
            # The key was revoked while the batch was being sent.
            refusal = Refusal(RefusalReason.CREDENTIALS, problem.detail or problem.title)
            await self._stop(refusal, results)

    async def _read_lines(self, receive: Receive) -> AsyncIterator[list[BodyLine]]:
        settings = self._context.settings
        splitter = LineSplitter(settings.max_body_bytes)
        async for chunk in read_chunks(receive, self._context.batch_limits, pause_s=settings.read_timeout_s):
            yield self._within_limit(splitter.feed(chunk))
            self._check_count(splitter)
        yield self._within_limit(splitter.end())
        self._check_count(splitter)

    def _within_limit(self, lines: list[BodyLine]) -> list[BodyLine]:
        return [line for line in lines if line.number <= self._context.settings.max_batch_lines]

    def _check_count(self, splitter: LineSplitter) -> None:
        most = self._context.settings.max_batch_lines
        if splitter.count > most:
            raise RefusedRequest(
                Refusal(RefusalReason.TOO_MANY_LINES, f"A batch may have at most {most} lines.")
            )

    async def _process_group(self, lines: list[BodyLine], results: ResultStream) -> None:
        batch = RequestBatch(self._caller, [RatingAttempt(line) for line in lines], topic=self._topic)
        await results.put(await run(self._stages, self._context, batch))
        self._last_line = lines[-1].number

    async def _stop(self, refusal: Refusal, results: ResultStream) -> None:
        line = self._last_line + 1
        self._context.metrics.refused_request(refusal.reason)
        result = {
            "line": line,
            "status": "stopped",
            "reason": str(refusal.reason),
            "detail": f"{refusal.detail} Nothing from line {line} on was accepted: send it in another batch.",
        }
        await results.put(msgspec.json.encode(result) + b"\n")
