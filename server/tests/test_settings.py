"""Settings: where they come from, and what is said when one is wrong."""

from pathlib import Path

import pytest

from chatkeep.settings_sources import SettingsInvalid, load_settings


def test_stronger_source_wins(tmp_path: Path) -> None:
    (tmp_path / "chatkeep.toml").write_text(
        'host = "file"\nport = 1\nlog_level = "error"\nllm_models = ["from", "file"]\n'
    )
    (tmp_path / ".env").write_text("CHATKEEP_HOST=dotenv\nCHATKEEP_PORT=2\nCHATKEEP_LOG_LEVEL=warning\n")
    environ = {"CHATKEEP_HOST": "environment", "CHATKEEP_PORT": "3"}
    loaded = load_settings({"host": "given", "port": None}, environ, tmp_path)
    settings = loaded.settings
    assert (settings.host, settings.port, settings.log_level) == ("given", 3, "warning")
    assert settings.llm_models == ("from", "file")
    assert loaded.sources["host"] == "command line"
    assert loaded.sources["port"] == "environment"
    assert loaded.sources["log_level"] == ".env"
    assert loaded.sources["llm_models"] == f"file {tmp_path / 'chatkeep.toml'}"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("CHATKEEP_PORT", "eighty", "valid integer"),
        ("CHATKEEP_PORT", "70000", "less than or equal to 65535"),
        ("CHATKEEP_LLM_BASE_URL", "127.0.0.1:11434", "http:// or https://"),
        ("CHATKEEP_LLM_BASE_URL", "http://user:secret@host/v1", "must not contain a user name"),
        ("CHATKEEP_DATABASE_URL", "mysql://host/x", "sqlite:/// or postgresql://"),
        ("CHATKEEP_VALKEY_URL", "http://host", "must start with redis://"),
        ("CHATKEEP_LIMIT_LOGIN", "lots", "should match pattern"),
        ("CHATKEEP_TRUSTED_PROXIES", "10.0.0.0/8, nginx", "does not appear to be an IPv4 or IPv6 network"),
    ],
)
def test_a_wrong_value_is_refused_by_name(tmp_path: Path, name: str, value: str, reason: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        load_settings({}, {name: value}, tmp_path)
    assert str(caught.value).startswith(f"{name}: ")
    assert reason in str(caught.value)
    assert "from environment" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_every_wrong_value_is_told_at_once(tmp_path: Path) -> None:
    environ = {"CHATKEEP_PORT": "x", "CHATKEEP_LIMIT_SEND": "x", "CHATKEEP_LOG_LEVEL": "loud"}
    with pytest.raises(SettingsInvalid) as caught:
        load_settings({}, environ, tmp_path)
    assert len(str(caught.value).splitlines()) == 3


def test_admin_needs_both_halves(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="CHATKEEP_ADMIN_EMAIL and CHATKEEP_ADMIN_PASSWORD_FILE go together"):
        load_settings({}, {"CHATKEEP_ADMIN_EMAIL": "root@example.org"}, tmp_path)


def test_blank_means_unset(tmp_path: Path) -> None:
    loaded = load_settings({}, {"CHATKEEP_LLM_BASE_URL": "", "CHATKEEP_PORT": " "}, tmp_path)
    assert loaded.settings.llm_base_url is None
    assert loaded.settings.port == 8000


def test_a_misspelt_variable_is_warned_of(tmp_path: Path) -> None:
    loaded = load_settings({}, {"CHATKEEP_LLM_BASEURL": "http://x"}, tmp_path)
    assert loaded.warnings == (
        "environment: there is no setting CHATKEEP_LLM_BASEURL; did you mean CHATKEEP_LLM_BASE_URL?",
    )


def test_a_misspelt_key_in_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "chatkeep.toml").write_text("prot = 80\n")
    with pytest.raises(SettingsInvalid, match="no setting prot; did you mean port"):
        load_settings({}, {}, tmp_path)


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="cannot be read"):
        load_settings({}, {"CHATKEEP_CONFIG_FILE": str(tmp_path / "missing.toml")}, tmp_path)


def test_secrets_are_masked(tmp_path: Path) -> None:
    environ = {
        "CHATKEEP_LLM_API_KEY": "sk-very-secret",
        "CHATKEEP_DATABASE_URL": "postgresql://chat:pass@word@db/chat",
        "CHATKEEP_VALKEY_URL": "redis://:hush@cache:6379/0",
    }
    loaded = load_settings({}, environ, tmp_path)
    shown = {name: value for name, value, _ in loaded.rows()}
    assert shown["CHATKEEP_LLM_API_KEY"] == "********"
    assert shown["CHATKEEP_DATABASE_URL"] == "postgresql+asyncpg://chat:********@db/chat"
    assert shown["CHATKEEP_VALKEY_URL"] == "redis://:********@cache:6379/0"
    assert "sk-very-secret" not in repr(loaded)
