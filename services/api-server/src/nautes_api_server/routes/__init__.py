"""The routers of the API. Each module has `router(parts)`; `http.ROUTERS` lists them."""
