"""RocketMQ: its profile and adapter, and three of its losses to be made again (`losses`)."""
