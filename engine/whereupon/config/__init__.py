"""Configuration: ``whereupon.toml`` and the environment as an engine with its channels.

The file names the store, the rules, the channels and the keys. A variable ``WHEREUPON_…`` overrides each of its
settings. All that is wrong is reported at once, with its place. Secrets stand in the environment or in files
of their own; they are read when they are needed, and are never printed. The package decides nothing: the engine
is made by `Engine.open` and `Engine.channel`, which a host may as well call itself.

For others: `open_config` (an engine), `read_config` (a `Config`, which the commands ask).
"""

from whereupon.config.config import Config, open_config, read_config

__all__ = ["Config", "open_config", "read_config"]
