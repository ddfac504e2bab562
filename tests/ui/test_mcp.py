"""The same endpoints for agents, through a real client of theirs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from compress_lib.ui.app import Page
from tests.support.page import PLAN, TinyEngine

mcp = pytest.importorskip("mcp")

pytestmark = pytest.mark.slow

Calls = list[tuple[str, dict[str, Any]]]
Told = tuple[list[str], list[Any]]
Ask = Callable[[Calls], Told]


async def talk(address: str, calls: Calls) -> Told:
    """Return the names of all tools, and what some of them answer."""
    from mcp.client.streamable_http import streamable_http_client

    async with (
        streamable_http_client(f"{address}gradio_api/mcp/") as (read, write, _),
        mcp.ClientSession(read, write) as session,
    ):
        await session.initialize()
        tools = [tool.name for tool in (await session.list_tools()).tools]
        return tools, [await session.call_tool(name, given) for name, given in calls]


@pytest.fixture
def ask(engine: TinyEngine) -> Iterator[Ask]:
    blocks = Page(engine).build()
    blocks.queue(api_open=False)
    _, address, _ = blocks.launch(prevent_thread_lock=True, quiet=True, mcp_server=True)
    # In a thread, for a browser of another test may keep an event loop in this one.
    with ThreadPoolExecutor(max_workers=1) as thread:
        yield lambda calls: thread.submit(asyncio.run, talk(address, calls)).result(timeout=120)
    blocks.close()


def test_agents_have_the_endpoints_as_tools(ask: Ask) -> None:
    plan = PLAN.to_json()
    broken = {**plan, "rules": [{"method": "svdd"}]}
    calls: Calls = [("models", {}), ("compress", {"plan": plan}), ("estimate", {"plan": broken})]
    tools, (models, record, refused) = ask(calls)
    assert set(tools) == {"models", "landmarks", "estimate", "compress", "compare"}
    assert not models.isError
    assert "smollm2-135m" in str(models.content)
    # A run says how far it is; the last word is its record.
    assert not record.isError
    assert "'perplexity'" in record.content[-1].text
    assert refused.isError
    assert "Did you mean 'svd'" in refused.content[0].text
