"""The bare way of telling many sockets one thing: Channels with the pub/sub layer of channels_redis, and nothing else."""

import os

import django
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings

GROUP = "everybody"
LAYER = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [os.environ["REDIS_URL"]]},
    }
}

if not settings.configured:
    settings.configure(CHANNEL_LAYERS=LAYER)
    django.setup()


class Bare(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        await self.channel_layer.group_add(GROUP, self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(GROUP, self.channel_name)

    async def told(self, event: dict[str, str]) -> None:
        await self.send(text_data=event["text"])


application = Bare.as_asgi()
