"""A service over HTTP, and the same for agents over MCP: `uwe serve` and `uwe mcp`.

`requests` has what may be asked and answered, `spaces` the target spaces that are served, `engine`
answers; `app` is the HTTP around them, `page/` what a browser shows at `/`.
"""
