"""An application that builds."""
