"""The subcommands: `netdash doctor`, `report`, `export`. Each has its arguments beside it."""
