"""The service: REST, WebSocket streaming, dynamic batching, limits, metrics, two models behind one
route.
"""
