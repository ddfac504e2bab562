"""HTTP and MCP endpoints."""
