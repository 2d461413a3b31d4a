"""One message as HTML: the words, how the model came to them, how it ended, and what can be done with it."""

from html import escape

from chatkeep_ui.answer_html import answer_html, plain_html
from chatkeep_ui.answer_stream import Answer
from chatkeep_ui.chat_records import ChatMessage
from chatkeep_ui.clicks import button_html
from chatkeep_ui.page_state import PageState
from chatkeep_ui.sources import sources_html

_COPY = '<button type="button" class="ck-copy" data-ck-copy="words">Copy</button>'
_THINKING = '<p class="ck-thinking" role="status"><span class="ck-dots" aria-hidden="true"></span>Thinking</p>'
_ENDINGS = {
    "stopped": "You stopped this answer. What was written is kept.",
    "interrupted": "This answer was cut off because the server stopped. What was written is kept.",
    "failed": "This answer failed.",
}


def message_html(state: PageState, message: ChatMessage, *, settled: bool) -> str:
    """A message that is done. While another is being written it is not `settled`, and can only be copied."""
    mine = message.role == "user"
    found = f' data-ck-found="{escape(message.id)}" tabindex="-1"' if message.id == state.found else ""
    kind, name = ("ck-user", "You") if mine else ("ck-answer", "Answer")
    body = _body(state, message) + _grounds(state, message) + _tools(message, settled=settled)
    return f'<article class="ck-message {kind}" aria-label="{name}"{found}>{body}</article>'


def growing_html(answer: Answer, known: str) -> str:
    """The words of an answer that is being written, or what it waits for."""
    if answer.text or known:
        body = answer_html(answer.text or known, answer.sources or (), growing=True)
    elif answer.status == "queued":
        body = f'<p class="ck-thinking" role="status">{_place_in_queue(answer.position)}</p>'
    else:
        body = _THINKING
    return f'<article class="ck-message ck-answer ck-growing" aria-label="Answer" aria-busy="true">{body}</article>'


def reasoning_html(reasoning: str, *, growing: bool = False) -> str:
    """How the model came to its answer, folded away. It stands apart from the answer, and is not copied with it."""
    if not reasoning:
        return ""
    body = answer_html(reasoning, growing=growing)
    kind = "ck-reasoning ck-thinks" if growing else "ck-reasoning"
    return f'<details class="{kind}"><summary>Reasoning</summary><div class="ck-thoughts">{body}</div></details>'


def _body(state: PageState, message: ChatMessage) -> str:
    # Rendering Markdown is what takes time, and messages that are done do not change.
    known = state.html.get(message.id)
    if known is None or known[0] != message.status:
        known = (message.status, _user(message) if message.role == "user" else _answer(message))
        state.html[message.id] = known
    return known[1]


def _user(message: ChatMessage) -> str:
    return f'<div class="ck-words">{plain_html(message.content)}</div>'


def _answer(message: ChatMessage) -> str:
    body = reasoning_html(message.reasoning)
    body += f'<div class="ck-words">{answer_html(message.content, message.sources)}</div>' if message.content else ""
    body += sources_html(message.sources)
    note = _ENDINGS.get(message.status, "")
    if message.status == "failed" and message.error:
        note = f"{note} {message.error}"
    return body + (f'<p class="ck-ending">{plain_html(note)}</p>' if note else "")


def _grounds(state: PageState, message: ChatMessage) -> str:
    """How an answer came by its passages, or that it has none."""
    if message.role == "user" or message.status != "completed" or not (message.sources or state.asks_documents):
        return ""
    place = f'href="/library/answers/{escape(message.id)}" target="_blank" rel="noopener"'
    link = f'<a class="ck-how" {place}>How it was found</a>'
    none = "" if message.sources else "This answer is not from your documents. "
    return f'<p class="ck-grounds">{none}{link}</p>'


def _tools(message: ChatMessage, *, settled: bool) -> str:
    tools = [_COPY] if message.content else []
    if settled:
        if message.role == "user":
            tools.append(button_html("edit", message.id, "Edit"))
        elif message.status in _ENDINGS:
            tools.append(button_html("again", message.id, "Try again"))
        else:
            tools.append(button_html("again", message.id, "Regenerate"))
        tools.append(_siblings(message))
    return f'<div class="ck-tools" data-ck-place="{escape(message.parent_id or "first")}">{"".join(tools)}</div>'


def _siblings(message: ChatMessage) -> str:
    siblings = message.siblings
    if siblings.count < 2:
        return ""
    what = "question" if message.role == "user" else "answer"
    before = _step(siblings.previous_id, "&lsaquo;", f"Previous {what}")
    after = _step(siblings.next_id, "&rsaquo;", f"Next {what}")
    place = f'<span aria-hidden="true">{siblings.index}/{siblings.count}</span>'
    said = f'<span class="ck-hidden">{what} {siblings.index} of {siblings.count}</span>'
    return f'<span class="ck-siblings">{before}{place}{said}{after}</span>'


def _step(message_id: str | None, arrow: str, name: str) -> str:
    if message_id is None:
        return f'<button type="button" class="ck-copy" disabled aria-label="{name}">{arrow}</button>'
    return button_html("show", message_id, arrow, name=name)


def _place_in_queue(position: int) -> str:
    before = position - 1
    if before < 1:
        return "You are next: waiting for a free place."
    return f"Waiting for a free place: {before} before you."
