"""A batch: lines in as they arrive, through the stages in groups; one result line out for each, in order."""

from collections.abc import AsyncIterator, Sequence

import msgspec
from fastapi import Response
from starlette.types import Receive, Scope, Send

from services.ingest.body import Gone, Unreadable, pieces
from services.ingest.context import Door
from services.ingest.metrics import Kind
from services.ingest.ndjson import Line, Lines
from services.ingest.pipeline import Stage, run
from services.ingest.quota import Share
from services.ingest.refusal import Reason, Refusal
from services.ingest.request_batch import Caller, Draft, Parcel
from services.ingest.streaming_response import Outlet
from services.runtime.http.problem import Problem

MEDIA_TYPE = "application/x-ndjson"

GROUP_LINES = 256
"""At most so many lines go through the stages together: one wait for acknowledgements serves them all."""

TOO_MANY_STREAMS = Refusal(
    Reason.TOO_MANY_STREAMS,
    "This practice has too many batches open. End one of them first.",
    retry_after_s=1,
)


class BatchAnswer(Response):
    """Reads the body while it answers; the results of a group leave once its last record is settled.

    A caller that goes away is read no further; half a line at the end of what it sent is not looked at.
    """

    media_type = MEDIA_TYPE

    def __init__(self, door: Door, stages: Sequence[Stage], caller: Caller, share: Share) -> None:
        super().__init__()
        self._door = door
        self._stages = stages
        self._caller = caller
        self._share = share
        self._answered = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, in as many pieces as it takes."""
        if self._share.streams >= self._door.settings.max_streams_per_practice:
            self._door.metrics.refused(TOO_MANY_STREAMS.reason)
            await TOO_MANY_STREAMS.problem().response()(scope, receive, send)
            return
        self._share.streams += 1
        outlet = Outlet(send, MEDIA_TYPE, self._door.settings.read_timeout_s)
        try:
            metrics = self._door.metrics
            with metrics.streams.track_inprogress(), metrics.request_seconds[Kind.BATCH].time():
                await self._read(receive, outlet)
                await outlet.close()
        except Gone:
            outlet.abandon()
        except BaseException:
            outlet.abandon()
            raise
        finally:
            self._share.streams -= 1

    async def _read(self, receive: Receive, outlet: Outlet) -> None:
        try:
            async for lines in self._lines(receive):
                for start in range(0, len(lines), GROUP_LINES):
                    await self._answer(lines[start : start + GROUP_LINES], outlet)
        except Unreadable as error:
            await self._stop(error.refusal.reason, error.refusal.detail, outlet)
        except Problem as problem:
            # The key was withdrawn while the batch was on its way.
            await self._stop(Reason.CREDENTIALS, problem.detail or problem.title, outlet)

    async def _lines(self, receive: Receive) -> AsyncIterator[list[Line]]:
        settings = self._door.settings
        lines = Lines(settings.max_body_bytes)
        async for piece in pieces(receive, settings.max_batch_bytes, settings.read_timeout_s):
            yield self._allowed(lines.feed(piece))
            self._check(lines)
        yield self._allowed(lines.end())
        self._check(lines)

    def _allowed(self, lines: list[Line]) -> list[Line]:
        return [line for line in lines if line.number <= self._door.settings.max_batch_lines]

    def _check(self, lines: Lines) -> None:
        most = self._door.settings.max_batch_lines
        if lines.count > most:
            raise Unreadable(Refusal(Reason.TOO_MANY_LINES, f"A batch may have at most {most} lines."))

    async def _answer(self, lines: list[Line], outlet: Outlet) -> None:
        parcel = Parcel(self._caller, [Draft(line) for line in lines])
        await outlet.put(await run(self._stages, self._door, parcel))
        self._answered = lines[-1].number

    async def _stop(self, reason: Reason, detail: str, outlet: Outlet) -> None:
        line = self._answered + 1
        self._door.metrics.refused(reason)
        last = {
            "line": line,
            "status": "stopped",
            "reason": str(reason),
            "detail": f"{detail} Nothing from line {line} on was taken: send it in another batch.",
        }
        await outlet.put(msgspec.json.encode(last) + b"\n")
