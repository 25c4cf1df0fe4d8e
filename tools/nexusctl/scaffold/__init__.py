"""`nexusctl new`: one service more, with an example in it, in every file that names the services."""
