"""Settings: where they come from, and what is said when one is wrong."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from chatkeep.settings import Settings
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
        ("CHATKEEP_LLM_BASE_URL", "http://host:99999/v1", "up to 65535"),
        ("CHATKEEP_QDRANT_URL", "scripted:", "http:// or https://"),
        ("CHATKEEP_PUBLIC_URL", "scripted:", "http:// or https://"),
        ("CHATKEEP_PUBLIC_URL", "https://host:99999", "up to 65535"),
        ("CHATKEEP_PUBLIC_URL", "https://host/secret", "no path"),
        ("CHATKEEP_PUBLIC_URL", "https://host/?secret=1", "no path"),
        ("CHATKEEP_PUBLIC_URL", "https://host#secret", "no path"),
        ("CHATKEEP_DATABASE_URL", "mysql://u:secret@host/x", "sqlite:/// or postgresql://"),
        ("CHATKEEP_DATABASE_URL", "db:u:secret@host/x", "sqlite:/// or postgresql://"),
        ("CHATKEEP_DATABASE_URL", "postgresql:u:secret@host", "sqlite:/// or postgresql://"),
        ("CHATKEEP_DATABASE_URL", "postgresql+psycopg://u:secret@host/x", "the driver psycopg"),
        ("CHATKEEP_DATABASE_URL", "postgresql://u:secret@host:abc/x", "up to 65535"),
        ("CHATKEEP_DATABASE_URL", "postgresql://u:sec#secret@host/x", "%23"),
        ("CHATKEEP_DATABASE_URL", "postgresql://u:sec@secret@host/x", "%40"),
        ("CHATKEEP_DATABASE_URL", "postgresql://u:secret\u2100@host/x", "cannot be read"),
        ("CHATKEEP_DATABASE_URL", "postgresql://u@host/x?sslmode=secret", "verify-full"),
        ("CHATKEEP_DATABASE_URL", "postgresql://u@host/x?passfile=secret", "not known here"),
        ("CHATKEEP_DATABASE_URL", "sqlite://", "must name a file"),
        ("CHATKEEP_DATABASE_URL", "sqlite:///", "must name a file"),
        ("CHATKEEP_DATABASE_URL", "sqlite:///:memory:", "must name a file"),
        ("CHATKEEP_DATABASE_URL", "sqlite:///file:x?mode=memory&uri=true", "must name a file"),
        ("CHATKEEP_DATABASE_URL", "sqlite:///x.db?mode=memory", "nothing else"),
        ("CHATKEEP_VALKEY_URL", "redis://:secret@host:abc", "up to 65535"),
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
        "CHATKEEP_DATABASE_URL": "postgresql://chat:pass%40word@db/chat",
        "CHATKEEP_VALKEY_URL": "redis://:h@sh@cache:6379/0",
    }
    loaded = load_settings({}, environ, tmp_path)
    shown = {name: value for name, value, _ in loaded.rows()}
    assert shown["CHATKEEP_LLM_API_KEY"] == "********"
    assert shown["CHATKEEP_DATABASE_URL"] == "postgresql+asyncpg://chat:********@db/chat"
    assert shown["CHATKEEP_VALKEY_URL"] == "redis://:********@cache:6379/0"
    assert "sk-very-secret" not in repr(loaded)


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        (
            "DATABASE_URL",
            "postgresql://db/x?user=u&password=hush",
            "postgresql+asyncpg://db/x?user=u&password=********",
        ),
        ("QDRANT_URL", "http://q:6333/?api-key=hush", "http://q:6333/?api-key=********"),
        ("LLM_BASE_URL", "http://q/v1?hush", "http://q/v1?********"),
        ("LLM_BASE_URL", "http://q/v1#hush", "http://q/v1#********"),
        ("LLM_BASE_URL", "scripted:?token_delay_ms=20", "scripted:?token_delay_ms=20"),
        ("VALKEY_URL", "rediss://cache/0?password=hush", "rediss://cache/0?password=********"),
    ],
)
def test_secrets_in_a_query_are_masked(tmp_path: Path, name: str, value: str, shown: str) -> None:
    loaded = load_settings({}, {f"CHATKEEP_{name}": value}, tmp_path)
    assert (f"CHATKEEP_{name}", shown, "environment") in loaded.rows()


@pytest.mark.parametrize(
    ("given", "effective", "file"),
    [
        ("postgres://u:p%40@h:5/x", "postgresql+asyncpg://u:p%40@h:5/x", None),
        ("postgresql://h/x?sslmode=require", "postgresql+asyncpg://h/x?ssl=require", None),
        ("postgresql+asyncpg://u@/x?host=/run/pg", "postgresql+asyncpg://u@/x?host=/run/pg", None),
        ("sqlite:///chats.db", "sqlite+aiosqlite:///chats.db", Path("chats.db")),
        ("sqlite+aiosqlite:////srv/chats.db", "sqlite+aiosqlite:////srv/chats.db", Path("/srv/chats.db")),
    ],
)
def test_the_database_url_is_put_as_its_driver_wants_it(given: str, effective: str, file: Path | None) -> None:
    settings = Settings(database_url=given)
    assert settings.effective_database_url == effective
    assert settings.sqlite_file == file


def test_a_tilde_is_the_home_directory(tmp_path: Path) -> None:
    environ = {
        "CHATKEEP_DATA_DIR": "~/ck",
        "CHATKEEP_SECRET_KEY_FILE": "~/keys",
        "CHATKEEP_ADMIN_EMAIL": "root@example.org",
        "CHATKEEP_ADMIN_PASSWORD_FILE": "~/password",
    }
    settings = load_settings({}, environ, tmp_path).settings
    assert settings.data_dir == Path.home() / "ck"
    assert settings.secret_key_file == Path.home() / "keys"
    assert settings.admin_password_file == Path.home() / "password"


def test_a_dotenv_in_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes("CHATKEEP_HOST=köln".encode("latin-1"))
    with pytest.raises(SettingsInvalid, match=r"\.env cannot be read"):
        load_settings({}, {}, tmp_path)


def test_providers_come_from_the_file_and_the_environment_together(tmp_path: Path) -> None:
    (tmp_path / "chatkeep.toml").write_text(
        '[oidc.our-idp]\nissuer = "https://id.example"\nclient_id = "from the file"\n'
    )
    environ = {
        "CHATKEEP_OIDC_OUR_IDP_CLIENT_ID": "chatkeep",
        "CHATKEEP_OIDC_OUR_IDP_CLIENT_SECRET": "a secret that nobody shows",
        "CHATKEEP_OIDC_GOOGLE_ISSUER": "https://accounts.google.com",
        "CHATKEEP_OIDC_GOOGLE_CLIENT_ID": "g",
        "CHATKEEP_OIDC_GOOGLE_EMAIL_DOMAINS": "example.org, example.com",
        "CHATKEEP_OIDC_GOOGLE_ISUER": "x",
    }
    loaded = load_settings({}, environ, tmp_path)
    ours, google = loaded.settings.oidc["our-idp"], loaded.settings.oidc["google"]
    assert (ours.issuer, ours.client_id) == ("https://id.example", "chatkeep")
    assert google.email_domains == ("example.org", "example.com")
    assert "CHATKEEP_OIDC_GOOGLE_ISUER" in loaded.warnings[0]
    shown = str(loaded.rows())
    assert "google (https://accounts.google.com)" in shown
    assert "nobody shows" not in shown + repr(loaded.settings)


def test_a_provider_that_lacks_something_is_named_without_its_secret(tmp_path: Path) -> None:
    environ = {"CHATKEEP_OIDC_X_CLIENT_SECRET": "a secret", "CHATKEEP_OIDC_X_ISSUER": "https://id.example"}
    with pytest.raises(SettingsInvalid, match="CHATKEEP_OIDC_X_CLIENT_ID: Field required") as refusal:
        load_settings({}, environ, tmp_path)
    assert "a secret" not in str(refusal.value)


def test_model_endpoints_come_from_a_file_and_their_keys_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "chatkeep.toml").write_text(
        """
        [providers.router]
        base_url = "https://router.example/v1"
        [providers.router.models."big/one"]
        alias = "big"
        prompt_price = 1.25
        completion_price = 10
        context_tokens = 400_000
        [providers.own-gpu]
        base_url = "http://gpu:8000"
        models = ["small", "tiny"]
        """
    )
    loaded = load_settings({}, {"CHATKEEP_PROVIDERS_ROUTER_API_KEY": "a key that nobody shows"}, tmp_path)
    router, own = loaded.settings.providers["router"], loaded.settings.providers["own-gpu"]
    assert router.models["big/one"].alias == "big"
    assert router.models["big/one"].prompt_price == 1.25
    assert list(own.models) == ["small", "tiny"]
    shown = str(loaded.rows())
    assert "router (https://router.example/v1)" in shown
    assert "nobody shows" not in shown + repr(loaded.settings)


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ('[providers.x]\nbase_url = "ftp://x"', "CHATKEEP_PROVIDERS_X_BASE_URL: must be an http"),
        ('[providers.x]\nbase_url = "https://user:secret@x"', "must not contain a user name or password"),
        ('[providers.x]\nmodels = ["a"]', "CHATKEEP_PROVIDERS_X_BASE_URL: Field required"),
        ('[providers."a/b"]\nbase_url = "https://x"', "should match pattern"),
        ('[providers.x]\nbase_url = "https://x"\nmodels.a.prompt_price = -1', "greater than or equal to 0"),
        ('[providers.x]\nbase_url = "https://x"\nmodels.a.prompt_price = nan', "finite number"),
        ('[providers.x]\nbase_url = "https://x"\napi_key = "secret"\napi_key_file = "/k"', "set one of them"),
    ],
)
def test_an_endpoint_that_cannot_be_is_named(table: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "chatkeep.toml").write_text(table)
    with pytest.raises(SettingsInvalid, match=complaint) as refusal:
        load_settings({}, {}, tmp_path)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("name", ["m" * 201, "a\x00b", "a\nb"])
def test_a_models_name_that_no_column_holds_is_refused_at_the_start(name: str) -> None:
    with pytest.raises(ValidationError, match="llm_models"):
        Settings(llm_models=("fine", name))
