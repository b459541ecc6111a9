"""The prompt library: Jinja files by name, strict, sandboxed, hashed."""

from genrec.prompting.library import PromptHeader, PromptLibrary

__all__ = ["PromptHeader", "PromptLibrary"]
