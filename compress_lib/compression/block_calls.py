"""How a model calls its blocks, so that each can be called again by itself.

A block is what a model has many of in a row: `layers.0`, `h.0`, … are found by the number in the
paths of their weights. What it takes from the block before is its first tensor, the state;
everything else it is called with, such as masks and positions, belongs to the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from compress_lib.errors import CompressionError
from compress_lib.models.targets import Target

STATE = "hidden_states"
"""The name of a block's state, where it is given by name."""


class _ReachedError(Exception):
    """A place in a model was reached: no failure, but what comes after is of no interest."""

    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.value = value


@dataclass(frozen=True)
class Call:
    """What a block is called with for a text, but for the state."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    def repeat(self, block: nn.Module, state: Tensor) -> Tensor:
        """Return the state after the block."""
        return _first_tensor(block(state, *self.args, **self.kwargs))


def blocks_of(targets: Iterable[Target], module: nn.Module) -> list[str]:
    """Return the paths of a model's blocks in order.

    Args:
        targets: Weights in some of them.
        module: The model.

    Raises:
        CompressionError: The weights are in several rows of blocks, or shared among blocks.
    """
    parents = set()
    for target in targets:
        if target.tied:
            raise impossible(f"{' and '.join(target.names)} share a weight")
        parents.add(f"{target.name}.".partition(f".{target.layer}.")[0])
    if len(parents) != 1:
        raise impossible(f"{' and '.join(sorted(parents))} are several rows of them")
    parent = parents.pop()
    return [f"{parent}.{name}" for name, _ in module.get_submodule(parent).named_children()]


def note_calls(
    module: nn.Module, paths: Sequence[str], ids: Tensor, more: Mapping[str, Any]
) -> tuple[Tensor, list[Call]]:
    """Let a model read a text; return the state before the first block, and each block's call.

    Args:
        module: The model.
        paths: Its blocks in order.
        ids: `[1, length]` token ids.
        more: What else the model is called with.

    Raises:
        CompressionError: The blocks do not simply follow each other.
    """
    chain = _Chain(len(paths))
    with ExitStack() as hooks, torch.no_grad():
        for index, path in enumerate(paths):
            block = module.get_submodule(path)
            enter, leave = partial(chain.enter, index), partial(chain.leave, index)
            hooks.callback(block.register_forward_pre_hook(enter, with_kwargs=True).remove)
            hooks.callback(block.register_forward_hook(leave).remove)
        try:
            module(ids, **more)
        except _ReachedError as last:
            return last.value, chain.calls
    raise impossible("not all of them are used")


def tensor_before(layer: nn.Module, run: Callable[[], object]) -> Tensor:
    """Return what a layer or block gets first, and run nothing after that."""

    def stop(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        raise _ReachedError(_split(args, kwargs)[0])

    hook = layer.register_forward_pre_hook(stop, with_kwargs=True)
    try:
        with torch.no_grad():
            run()
    except _ReachedError as found:
        return found.value
    finally:
        hook.remove()
    raise AssertionError("the layer was used before and is not now")


def impossible(why: str) -> CompressionError:
    """Return the error for a model whose blocks are not what they have to be."""
    return CompressionError(
        f"This model's blocks cannot be run one by one ({why}), so layers cannot be compressed "
        "with the inputs of the compressed model: use inputs=original."
    )


class _Chain:
    """Watches blocks and notes their calls, as long as each begins where the last one ended."""

    def __init__(self, count: int) -> None:
        self.calls: list[Call] = []
        self._count = count
        self._start: Tensor | None = None
        self._latest: Tensor | None = None

    def enter(
        self, index: int, block: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        state, call = _split(args, kwargs)
        if index != len(self.calls):
            raise impossible("they are used in another order than they stand in")
        if index and not _same(state, self._latest):
            raise impossible(f"something happens between {index - 1} and {index}")
        self._start = state if self._start is None else self._start
        self.calls.append(call)

    def leave(self, index: int, block: nn.Module, inputs: object, output: object) -> None:
        self._latest = _first_tensor(output)
        if index == self._count - 1:
            assert self._start is not None
            raise _ReachedError(self._start)


def _split(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Tensor, Call]:
    """Return the state that a block is called with, and the rest."""
    if args:
        return _first_tensor(args), Call(args[1:], dict(kwargs))
    rest = {name: value for name, value in kwargs.items() if name != STATE}
    return _first_tensor(kwargs.get(STATE)), Call((), rest)


def _first_tensor(given: object) -> Tensor:
    found = given[0] if isinstance(given, tuple) and given else given
    if not isinstance(found, Tensor):
        raise impossible(f"one takes or gives a {type(found).__name__} first, not a tensor")
    return found


def _same(a: Tensor, b: Tensor | None) -> bool:
    return b is not None and (a is b or torch.equal(a, b))
