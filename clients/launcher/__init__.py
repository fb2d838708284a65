"""Starts a client on the user's machine from a link of the page.

It needs Python 3.11 and nothing else, so that the page can hand it out as one file.
"""
