"""Block calls: record the arguments of every transformer block, so that it can be run alone.

Blocks (`layers.0`, `h.0`, …) are found by the number in the paths of their weights. The first
tensor argument of a block is the hidden state from the previous block; all other arguments, such
as masks and positions, depend on the text only.
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
"""The name of the hidden state if it is passed as a keyword argument."""


class _ReachedError(Exception):
    """Raised to abort a forward pass once the wanted tensor is known; not a failure."""

    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.value = value


@dataclass(frozen=True)
class Call:
    """Arguments of a block for one text, without the hidden state."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    def repeat(self, block: nn.Module, state: Tensor) -> Tensor:
        """Return the hidden state after the block.

        Args:
            block: The block.
            state: The hidden state before it.
        """
        return _first_tensor(block(state, *self.args, **self.kwargs))


def blocks_of(targets: Iterable[Target], module: nn.Module) -> list[str]:
    """Return the paths of a model's blocks in order.

    Args:
        targets: Weights in some of the blocks.
        module: The model.

    Raises:
        CompressionError: The weights belong to several stacks of blocks, or are shared by blocks.
    """
    parents = set()
    for target in targets:
        if target.tied:
            raise impossible(f"{' and '.join(target.names)} share a weight")
        parents.add(f"{target.name}.".partition(f".{target.layer}.")[0])
    if len(parents) != 1:
        raise impossible(f"{' and '.join(sorted(parents))} are several stacks of blocks")
    parent = parents.pop()
    return [f"{parent}.{name}" for name, _ in module.get_submodule(parent).named_children()]


def note_calls(
    module: nn.Module, paths: Sequence[str], ids: Tensor, more: Mapping[str, Any]
) -> tuple[Tensor, list[Call]]:
    """Run a model on a text and record the calls of its blocks.

    Args:
        module: The model.
        paths: The paths of its blocks in order.
        ids: Token ids `[1, length]`.
        more: Further keyword arguments of the model.

    Returns:
        The hidden state before the first block, and the call of each block.

    Raises:
        CompressionError: The output of a block is not the input of the next one.
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
    raise impossible("not all blocks are called")


def tensor_before(layer: nn.Module, run: Callable[[], object]) -> Tensor:
    """Return the first tensor argument of a layer or block, and abort the pass there.

    Args:
        layer: The layer or block.
        run: Runs the forward pass that calls it.
    """

    def stop(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        raise _ReachedError(_split(args, kwargs)[0])

    hook = layer.register_forward_pre_hook(stop, with_kwargs=True)
    try:
        with torch.no_grad():
            run()
    except _ReachedError as reached:
        return reached.value
    finally:
        hook.remove()
    raise AssertionError("the layer was called in an earlier pass, but not in this one")


def impossible(why: str) -> CompressionError:
    """Return the error for a model whose blocks cannot be run one by one."""
    return CompressionError(
        f"This model's blocks cannot be run one by one ({why}), so its layers cannot be compressed "
        "on the inputs of the compressed model: use inputs=original."
    )


class _Chain:
    """Hooks that record block calls and check that each block's input is the last output."""

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
            raise impossible("the blocks are not called in order, once each")
        if index and not _same(state, self._latest):
            raise impossible(f"the hidden state changes between blocks {index - 1} and {index}")
        self._start = state if self._start is None else self._start
        self.calls.append(call)

    def leave(self, index: int, block: nn.Module, inputs: object, output: object) -> None:
        self._latest = _first_tensor(output)
        if index == self._count - 1:
            assert self._start is not None
            raise _ReachedError(self._start)


def _split(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Tensor, Call]:
    """Return the hidden state and the remaining arguments of a call."""
    if args:
        return _first_tensor(args), Call(args[1:], dict(kwargs))
    rest = {name: value for name, value in kwargs.items() if name != STATE}
    return _first_tensor(kwargs.get(STATE)), Call((), rest)


def _first_tensor(values: object) -> Tensor:
    first = values[0] if isinstance(values, tuple) and values else values
    if not isinstance(first, Tensor):
        name = type(first).__name__
        raise impossible(f"a block's first input or output is a {name}, not a tensor")
    return first


def _same(a: Tensor, b: Tensor | None) -> bool:
    return b is not None and (a is b or torch.equal(a, b))
