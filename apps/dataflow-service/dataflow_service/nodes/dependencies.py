"""What the endpoints of nodes are given."""

from typing import Annotated

from fastapi import Depends

from dataflow_service.context import ContextOfApp
from dataflow_service.nodes.service import NodeService, ServedNode
from nexus_chassis.principal import Principal
from nexus_chassis.tokens import authenticate


async def get_nodes(context: ContextOfApp) -> NodeService:
    """Return the service of nodes."""
    return context.nodes


Nodes = Annotated[NodeService, Depends(get_nodes)]
Caller = Annotated[Principal, Depends(authenticate)]


async def get_node(name: str, principal: Caller, nodes: Nodes) -> ServedNode:
    """Return the node that the address names; raises NoSuchNodeError or MissingScopeError."""
    return nodes.permitted(principal, name)


PermittedNode = Annotated[ServedNode, Depends(get_node)]
