"""What a deployed workflow may try. Each text raises, or ends the run, unless the attack succeeds; `fact` has its surroundings.

`load` imports a module that Kailash's own checks would refuse, so that the sandbox alone stands in the way.
"""

from typing import NamedTuple


class Attack(NamedTuple):
    """The code of an attack, and the reason for which its run fails."""

    code: str
    reason: str = "error"


_SYSCALL = "load('ctypes').CDLL(None, use_errno=True).syscall"
_SPAWN = "(fact['python'], [fact['python'], '-c', 'pass'], {})"


def _ask(node: str, **parameters: str) -> str:
    """Code that asks mcp-server to run a node, as the process of a run does; `answer` is what came back."""
    call = {"type": "call", "call": 99, "node": node, "parameters": parameters}
    return (
        f"json = load('json')\nos.write(3, json.dumps({call}).encode() + b'\\n')\n"
        "answer = json.loads(os.read(3, 4096))\nif answer['error']: raise OSError(answer['error'])\n"
    )


ATTACKS = {
    "subprocess": Attack("load('subprocess').run([fact['python'], '-c', 'pass'], check=True)"),
    "socket to mcp-server": Attack("load('socket').create_connection(('127.0.0.1', fact['port']), timeout=5)"),
    "socket to postgres": Attack("load('socket').create_connection(fact['postgres'], timeout=5)"),
    "socket to redis": Attack("load('socket').create_connection(fact['redis'], timeout=5)"),
    "UDP": Attack("s = load('socket')\ns.socket(s.AF_INET, s.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', fact['port']))"),
    "DNS": Attack("load('socket').getaddrinfo('example.com', 80)"),
    "abstract socket": Attack("s = load('socket')\ns.socket(s.AF_UNIX).connect('\\0' + fact['abstract'])"),
    "listening": Attack("load('socket').create_server(('127.0.0.1', 0))"),
    "a secret's file": Attack("open(fact['secret']).read()"),
    "a file outside": Attack("open('/etc/passwd').read()"),
    "a file outside written": Attack("open(fact['secret'] + '.x', 'w').write('x')"),
    "/run/secrets": Attack("os.listdir('/run')"),
    "symlink": Attack("os.symlink(fact['secret'], 'link')\nopen('link').read()"),
    "/proc/self/environ": Attack("open('/proc/self/environ').read()"),
    "/proc/1/environ": Attack("open('/proc/1/environ').read()"),
    "/proc/1/mem": Attack("open('/proc/1/mem', 'rb').read(1)"),
    "the server's environment": Attack("open(f\"/proc/{fact['pid']}/environ\").read()"),
    "the server's memory": Attack("open(f\"/proc/{fact['pid']}/mem\", 'r+b')"),
    "environment theft": Attack("os.environ['NEXUS_SECRET']"),
    "kill 1": Attack("os.kill(1, 0)"),
    "kill the server": Attack("os.kill(fact['pid'], 9)"),
    "kill everybody": Attack("os.kill(-1, 9)"),
    "ptrace": Attack(f"assert {_SYSCALL}(101, 16, fact['pid'], 0, 0) == 0"),
    "io_uring": Attack(f"assert {_SYSCALL}(425, 8, load('ctypes').create_string_buffer(120)) >= 0"),
    "memfd and exec": Attack(
        "f = os.memfd_create('x')\nos.write(f, open(fact['python'], 'rb').read())\nos.execve(f, ['x'], {})"
    ),
    "exec": Attack("os.execv(fact['python'], [fact['python'], '-c', 'pass'])"),
    "setsid escaping the kill": Attack("os.setsid()"),
    "double fork": Attack("if os.fork() == 0:\n    os.setsid()\n    os.fork()"),
    "fork bomb": Attack("while True: os.fork()"),
    "fork bomb that goes on": Attack("while True:\n    try: os.fork()\n    except OSError: pass", "timeout"),
    "threads": Attack("t = load('threading')\nwhile True: t.Thread(target=print).start()"),
    "import tricks": Attack(
        "kind = [k for k in ().__class__.__base__.__subclasses__() if k.__name__ == '_wrap_close'][0]\n"
        f"kind.__init__.__globals__['posix_spawn']{_SPAWN}"
    ),
    "pickle": Attack(
        "class Hostile:\n"
        f"    def __reduce__(self): return os.posix_spawn, {_SPAWN}\n"
        "p = load('pickle')\np.loads(p._dumps(Hostile()))"
    ),
    "memory bomb": Attack("x = []\nwhile True: x.append(bytearray(2**20))", "memory"),
    "infinite loop": Attack("while True: pass", "timeout"),
    "infinite sleep": Attack("load('time').sleep(1000)", "timeout"),
    "1 GiB on stdout": Attack("for _ in range(2**14): os.write(1, b'x' * 2**16)", "output"),
    "10^6 files": Attack("for n in range(10**6): open(str(n), 'w').close()", "files"),
    "large files": Attack("for n in range(9): open(str(n), 'wb').write(bytes(15 * 2**20))\nwhile True: pass", "files"),
    "a message to the runner": Attack("os.write(3, b'{}\\n')\nload('time').sleep(1000)", "message"),
    "a node that the workflow does not have": Attack(f"{_ask('ProductBulkCreateNode')}assert 'outputs' in answer"),
    "a tool that no node names": Attack(f"{_ask('ToolNode', tool='list_products')}assert answer['error'] is None"),
    "a result of 5 MiB": Attack("fact['result'] = 'x' * 5 * 2**20", "message"),
    "the end of its process": Attack("os._exit(0)", "killed"),
    "a crash": Attack("load('ctypes').string_at(0)", "killed"),
}
