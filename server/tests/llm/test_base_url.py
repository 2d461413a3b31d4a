import pytest

from chatkeep.llm.base_url import BaseUrl, InvalidBaseUrl, is_forbidden_address, parse_base_url


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://llm.example/v1", BaseUrl(True, "llm.example", 443, "/v1")),
        ("https://llm.example/v1/", BaseUrl(True, "llm.example", 443, "/v1")),
        (" http://LOCALHOST:11434 ", BaseUrl(False, "localhost", 11434, "/v1")),
        ("http://[::1]:8080/openai/v1", BaseUrl(False, "::1", 8080, "/openai/v1")),
        ("http://127.0.0.1:1/v1", BaseUrl(False, "127.0.0.1", 1, "/v1")),
        ("http://host.docker.internal:80/v1", BaseUrl(False, "host.docker.internal", 80, "/v1")),
    ],
)
def test_usual_addresses_are_understood(text: str, expected: BaseUrl) -> None:
    assert parse_base_url(text) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "http://"),
        ("llm.example/v1", "http://"),
        ("ftp://llm.example/v1", "http://"),
        ("file:///etc/passwd", "http://"),
        ("http:///v1", "no host name"),
        ("http://user:hunter2@llm.example/v1", "user name"),
        ("http://llm.example@10.0.0.1/v1", "user name"),
        ("http://llm.example\\@evil.example/v1", "backslash"),
        ("http://llm.example/v1\r\nX-Evil: 1", "control character"),
        ("http://llm.example/v1?key=x", "query"),
        ("http://llm.example/v1#x", "fragment"),
        ("http://llm.example:0/v1", "port"),
        ("http://llm.example:99999/v1", "port"),
        ("http://llm.example:http/v1", "port"),
        ("http://[::1/v1", "brackets"),
        ("http://[fe80::1%25eth0]/v1", "IP address|zone"),
        ("http://llm.example/v1/chat/completions", "before /chat/completions"),
        ("http://llm.example/v1/../admin", "path"),
        ("http://bücher.example/v1", "xn--"),
        ("http://-x.example/v1", "host name"),
    ],
)
def test_what_is_wrong_is_said(text: str, says: str) -> None:
    with pytest.raises(InvalidBaseUrl, match=says) as refusal:
        parse_base_url(text)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0x7f.1", "1.2.3.4.5", "127.0.0.1."]
)
def test_odd_notations_of_an_address_are_refused(host: str) -> None:
    with pytest.raises(InvalidBaseUrl, match="four decimal numbers"):
        parse_base_url(f"http://{host}/v1")


@pytest.mark.parametrize("host", ["169.254.169.254", "[fd00:ec2::254]", "[::ffff:169.254.169.254]"])
def test_the_clouds_metadata_address_is_no_model(host: str) -> None:
    with pytest.raises(InvalidBaseUrl, match="no model can be"):
        parse_base_url(f"http://{host}/v1")


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "[fe80::1]", "224.0.0.1"])  # noqa: S104 (nothing is bound)
def test_an_address_that_is_nobodys_is_refused(host: str) -> None:
    with pytest.raises(InvalidBaseUrl, match="no model can be"):
        parse_base_url(f"http://{host}/v1")


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "192.168.1.5", "::1", "fd12::1", "93.184.216.34"])
def test_private_addresses_are_where_self_hosted_models_listen(address: str) -> None:
    assert not is_forbidden_address(address)


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("http://a.example/v1", "a.example"),
        ("https://a.example:8443/v1", "a.example:8443"),
        ("http://[::1]:99/v1", "[::1]:99"),
    ],
)
def test_the_host_field_names_the_port_unless_it_is_the_schemes_own(text: str, header: str) -> None:
    assert parse_base_url(text).host_header == header
