"""The corner shop as an MCP server on stdin and stdout: ``python -m tests.serving.mcp_shop``."""

from genrec.serving.conversation.conversation import Conversation
from genrec.serving.mcp import shop_server
from tests.serving.conversation.shop import corner_shop

if __name__ == "__main__":
    conversation = Conversation(corner_shop())
    shop_server(lambda: conversation).run("stdio")
