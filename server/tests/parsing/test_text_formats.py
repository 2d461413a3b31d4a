"""Text, Markdown, CSV, web pages and mails: what is said is found, what is hidden is not."""

import contextlib
from email.message import EmailMessage

import pytest

from chatkeep.parsing.chunks import Unreadable
from server.tests.parsing.reading_here import read, text_of


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [("utf-8", b""), ("utf-8-sig", b""), ("utf-16", b""), ("utf-16-be", b"\xfe\xff"), ("utf-32", b""), ("cp1252", b"")],
)
def test_text_in_any_of_the_usual_encodings(encoding: str, mark: bytes) -> None:
    document = read(mark + "Öl kostet 3 €.\r\n\r\nZwei Absätze.".encode(encoding))
    assert document.media_type == "text/plain"
    assert text_of(document) == "Öl kostet 3 €.\n\nZwei Absätze."
    assert bool(document.notices) == (encoding == "cp1252")


def test_source_code_keeps_its_indentation() -> None:
    code = "def f():\n    if x:\n\n        return 1\n"
    assert text_of(read(code, "py")) == code.rstrip()


def test_markdown_knows_its_headings_but_not_those_in_code() -> None:
    body = "Some words that are read. " * 20
    document = read(f"Title\n=====\n\n{body}\n\n## Part ##\n{body}\n\n```sh\n# no heading\n\nls\n```\n", "md")
    assert document.title == "Title"
    assert [chunk.headings for chunk in document.chunks] == [("Title",), ("Title", "Part")]
    assert "# no heading\n\nls" in text_of(document)


def test_rows_of_a_csv_carry_the_names_of_their_columns() -> None:
    document = read('Name;Price\nTea;3\n"Coffee; black";4\n', "csv")
    assert document.media_type == "text/csv"
    assert text_of(document) == "Name | Price\nName: Tea | Price: 3\nName: Coffee; black | Price: 4"


def test_a_table_of_numbers_has_no_names() -> None:
    assert text_of(read("1,2\n3,4\n", "csv")) == "1 | 2\n3 | 4"


def test_a_csv_of_a_hundred_thousand_columns_is_read_to_its_bound() -> None:
    row = ",".join(f"c{number}" for number in range(100_000))
    document = read(f"{row}\n{row}\n", "csv")
    assert "c199: c199" in text_of(document)
    assert "c200" not in text_of(document)
    assert document.notices == ("Of a table only the first 200 columns were read.",)


def test_a_csv_of_many_rows_is_read_to_its_bound() -> None:
    document = read("a,b\n" * 1000, "csv", rows=100)
    assert text_of(document).count("\n") == 99
    assert document.notices == ("Of a table only the first 100 rows were read.",)


def test_a_quotation_mark_that_is_never_closed_loses_nothing() -> None:
    assert "word 9999" in text_of(read('a,"b\n' + "".join(f"word {n}\n" for n in range(50_000)), "csv"))


PAGE = """<!DOCTYPE html><html><head><title>The &amp; title</title><style>p {color: red}</style>
<script>alert("secret")</script></head><body><nav><a href=/>Menu</a></nav>
<h1>Top</h1><p>Hello<br>world &lt;3<p hidden>unseen<p>Seen again.
<div style="display: none"><div>buried</div> deeper</div><span aria-hidden="true">icon</span>
<h2>Prices</h2><table><caption>Of today</caption><tr><th>Name<th>Price<tr><td>Tea<td>3</table>
<ul><li>one<li> <p>two</p></ul><pre>  a
    b</pre><template>never</template><noscript>no</noscript></body></html>"""


def test_a_web_page_as_its_reader_sees_it() -> None:
    document = read(PAGE, "html")
    assert document.media_type == "text/html"
    assert document.title == "The & title"
    assert text_of(document) == (
        "Top\n\nHello\nworld <3\n\nSeen again.\n\nPrices\n\nOf today\n\nName | Price\nName: Tea | Price: 3\n\n"
        "- one\n\n- two\n\n  a\n    b"
    )


def test_what_is_hidden_ends_where_its_element_does() -> None:
    page = "<html><body style='visibility:hidden'><div><p hidden>a</div><h1>b</h1><li hidden>c<li>d</ul>e"
    assert text_of(read(page, "html")) == "b\n\n- d\n\ne"


def test_a_web_page_is_one_whatever_its_name_says() -> None:
    assert read(PAGE, "txt").media_type == "text/html"


def test_a_web_page_in_the_encoding_that_it_names() -> None:
    page = '<html><meta charset="koi8-r"><body><p>Привет, мир'.encode("koi8-r")
    assert text_of(read(page, "html")) == "Привет, мир"


@pytest.mark.parametrize("codec", ["zip", "idna", "rot13", "hex", "nonsense", "unicode_escape"])
def test_a_page_cannot_choose_a_codec_that_is_no_encoding(codec: str) -> None:
    read(f'<html><meta charset="{codec}"><body>\xe9'.encode("latin-1"), "html")


@pytest.mark.parametrize("piece", ["<!--", "<a ", "<![CDATA[", "</", "<div>", "<table><tr><td>", "&#", "<p hidden>"])
def test_markup_that_never_ends_is_read_in_bounded_time(piece: str) -> None:
    read("<html>" + piece * 20_000, "html")


def mail(**attached: bytes) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Zoë <zoe@example.org>"
    message["To"] = "tom@example.org"
    message["Subject"] = "Füße und Grüße"
    message.set_content("The plain text.")
    message.add_alternative("<p>The <b>rich</b> text.", subtype="html")
    for name, data in attached.items():
        message.add_attachment(data, "application", "pdf", filename=f"{name}.pdf")
    return message


def test_a_mail_says_who_wrote_what_and_names_what_was_attached() -> None:
    document = read(mail(bill=b"%PDF-1.4 never opened").as_bytes(), "eml")
    assert document.media_type == "message/rfc822"
    assert document.title == "Füße und Grüße"
    text = text_of(document)
    assert "From: Zoë <zoe@example.org>\nTo: tom@example.org\nSubject: Füße und Grüße" in text
    assert "The plain text." in text
    assert "rich" not in text
    assert "Attachments: bill.pdf" in text
    assert document.notices == ("Attachments were not read. Upload them on their own.",)


def test_a_mail_in_html_alone() -> None:
    message = EmailMessage()
    message["Subject"] = "x"
    message.set_content("<p>Only <b>rich</b> text.<script>no</script>", subtype="html")
    assert "Only rich text." in text_of(read(message.as_bytes(), "eml"))


def test_a_mail_whose_plain_form_was_left_empty_in_an_encoding_of_its_own() -> None:
    message = EmailMessage()
    message.set_content(" \n")
    message.add_alternative("<p>Привет, мир", subtype="html", charset="koi8-r")
    assert "Привет, мир" in text_of(read(message.as_bytes(), "eml"))


def test_a_mail_in_japanese() -> None:
    message = EmailMessage()
    message["Subject"] = "お茶"
    message.set_content("お茶は飲み物です。", charset="iso-2022-jp", cte="7bit")
    document = read(message.as_bytes(), "eml")
    assert document.title == "お茶"
    assert "お茶は飲み物です。" in text_of(document)


def test_a_mail_nested_without_end_is_refused_or_read() -> None:
    raw = b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (n, n) for n in range(500))
    with contextlib.suppress(Unreadable):
        read(b"Subject: deep\n" + raw + b"\ntext", "eml")


def test_more_text_than_may_be_is_refused() -> None:
    with pytest.raises(Unreadable) as refused:
        read("word " * 1000, characters=1000)
    assert refused.value.code == "too_large"


def test_a_file_with_nothing_in_it_is_refused_and_one_with_blanks_is_told_of() -> None:
    with pytest.raises(Unreadable) as refused:
        read(b"")
    assert refused.value.code == "empty"
    document = read("  \n \t\n")
    assert document.chunks == ()
    assert document.notices == ("There is no text in it.",)
