"""The page and the API's place in it. Import it where a node serves the page, and nowhere else.

`control.web.app` says how a page is added.
"""
