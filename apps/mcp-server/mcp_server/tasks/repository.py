"""Tasks in Redis. The key has subject and client of the caller: the id of another one's task is unknown."""

import json
from dataclasses import asdict
from typing import Any

from redis.asyncio import Redis

from mcp_server.tasks.models import Task
from nexus_chassis.principal import Principal
from nexus_chassis.redis_errors import translate_redis_errors

LEASE_SECONDS = 15
"""How long a process that runs a task may be silent until the task counts as left behind."""

_REPLACE = """
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[1] + 1, 'task', ARGV[2])
return 1
"""


_CREATE = """
redis.call('SET', KEYS[2], '1', 'EX', ARGV[3])
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], 'version', 0, 'task', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
"""


class TaskRepository:
    """Reads and writes tasks. Each method raises RedisUnavailableError while Redis is away."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._replace = redis.register_script(_REPLACE)
        self._create = redis.register_script(_CREATE)

    async def create(self, owner: Principal, task: Task) -> None:
        """Write a task that this process runs, for what is left of its time; one that Redis has stays as it is."""
        keys = [_key(owner, task.task_id), _lease(task.task_id)]
        with translate_redis_errors():
            await self._create(keys=keys, args=[_text(task), task.remaining_ms, LEASE_SECONDS])

    async def read(self, owner: Principal, task_id: str) -> tuple[Task, int, bool] | None:
        """Return a task, its version, and whether a process runs it; None where there is no such task."""
        with translate_redis_errors():
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.hmget(_key(owner, task_id), "task", "version")
                pipe.exists(_lease(task_id))
                (text, version), leased = await pipe.execute()
        return None if text is None else (Task(**json.loads(text)), int(version), bool(leased))

    async def replace(self, owner: Principal, task: Task, version: int) -> bool:
        """Write a task unless it was changed since `version` was read; returns whether it was written."""
        with translate_redis_errors():
            written: Any = await self._replace(keys=[_key(owner, task.task_id)], args=[version, _text(task)])
        return bool(written)

    async def lease(self, *tasks: tuple[Principal, str]) -> set[str]:
        """Take note that this process runs these tasks, by owner and id; returns the ids of those that Redis lacks."""
        with translate_redis_errors():
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.ping()  # so that whoever runs no tasks sees, too, that Redis is away
                for owner, task_id in tasks:
                    pipe.set(_lease(task_id), "1", ex=LEASE_SECONDS)
                    pipe.exists(_key(owner, task_id))
                found = await pipe.execute()
        return {task_id for (_, task_id), exists in zip(tasks, found[2::2], strict=True) if not exists}


def _key(owner: Principal, task_id: str) -> str:
    return f"mcp:task:{json.dumps([owner.subject, owner.client_id])}:{task_id}"


def _lease(task_id: str) -> str:
    return f"mcp:task-lease:{task_id}"


def _text(task: Task) -> str:
    return json.dumps(asdict(task))
