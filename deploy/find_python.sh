#!/bin/sh
# Prints the interpreter of a version of Python, such as 3.13, from PATH or among pyenv's; exits with 1 without one.
set -eu
case ${1:-} in
  [0-9].[0-9]*) ;;
  *) echo "say which version, such as 3.13: make test-python PYTHON=3.13" >&2; exit 1 ;;
esac
pyenv=${PYENV_ROOT:-$HOME/.pyenv}/versions
IFS=:
for folder in $PATH "$pyenv/$1".*/bin; do
  # A shim of pyenv stands in PATH for versions that are switched off, too.
  if "$folder/python$1" -c 'import sys; print(sys.executable)' 2>/dev/null; then
    exit
  fi
done
echo "Python $1 was not found in PATH or in $pyenv: install it first" >&2
exit 1
