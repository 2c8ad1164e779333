"""Parameters become typed settings. Each key's meaning and default stand here and nowhere else.

A profile is one flat YAML file (`params/production.yaml`) that holds what differs from the defaults, which are the
rehearsal's values. Secrets are named by environment variable, never given.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from leadbook.core import allowed
from leadbook.core.addresses import secret_values
from leadbook.core.errors import InputFileError, ParameterError, RefusedError, did_you_mean

PROJECT = Path(__file__).resolve().parents[3]
"""The checkout: notebooks, params and reports live here."""


class Settings(BaseModel):
    """Everything that differs between environments. Immutable; compares by value; holds no secret."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    profile: Literal["rehearsal", "ci", "production"] = Field("rehearsal", description="rehearsal, ci or production")
    rehearsal_servers: bool = Field(True, description="start servers of our own where no address is set")
    members: int = Field(3, ge=1, le=7, description="members of the rehearsal replica set")
    run_dir: str = Field("", description="where records are kept; empty: .leadbook/interactive")
    cell_timeout_s: int = Field(300, ge=1, description="longest run of one cell under `leadbook run`, s")
    approve: str = Field("", description="what production may do: 'apply_schema on DATABASE, load_test on DATABASE'")
    record_max_age_hours: float = Field(48.0, gt=0, description="oldest record of an earlier phase that counts, hours")
    attestation_days: int = Field(30, ge=1, le=365, description="days for which a person's word counts")

    # --- addresses: names of environment variables, never the secrets themselves
    mongodb_uri_env: str = Field("MONGODB_URI", description="variable holding the application's MongoDB URI")
    mongodb_admin_uri_env: str = Field("MONGODB_ADMIN_URI", description="variable holding the DBA's URI (optional)")
    mongodb_reporting_uri_env: str = Field(
        "MONGODB_REPORTING_URI", description="variable holding the read-only URI (optional)"
    )
    redis_url_env: str = Field("REDIS_URL", description="variable holding the Redis URL")
    hunter_api_key_env: str = Field("HUNTER_API_KEY", description="variable holding Hunter's API key (enrichment)")
    clearbit_api_key_env: str = Field("CLEARBIT_API_KEY", description="variable holding Clearbit's key (optional)")
    hubspot_token_env: str = Field("HUBSPOT_TOKEN", description="variable holding HubSpot's private app token (crm)")
    alert_level_1_env: str = Field("LEADBOOK_ALERTS_1", description="variable holding the DBA's addresses for alerts")
    alert_level_2_env: str = Field("LEADBOOK_ALERTS_2", description="variable holding the technical lead's addresses")
    alert_level_3_env: str = Field("LEADBOOK_ALERTS_3", description="variable holding the project manager's addresses")
    alert_critical_env: str = Field("LEADBOOK_ALERTS_CRITICAL", description="variable holding more for critical alerts")
    attestations_file: str = Field("", description="YAML of what a person has seen and signs for")
    backup_dir: str = Field("", description="where backups are kept (private); empty: .leadbook/backups")

    # --- names
    database: str = Field("leadbook_rehearsal", description="database of the leads")
    collection: str = Field("performance_marketers", description="collection of the leads")
    staging_collection: str = Field("raw_leads", description="where collectors write raw payloads")
    rejected_collection: str = Field("rejected_leads", description="rejected records with payload and reasons")

    # --- schema
    apply_schema: bool = Field(True, description="apply pending schema changes; false only shows them")
    validation_level: Literal["off", "moderate", "strict"] = Field("moderate", description="MongoDB validationLevel")
    validation_action: Literal["warn", "error"] = Field("warn", description="MongoDB validationAction")

    # --- pools and time-outs
    max_pool_size: int = Field(100, ge=1, description="MongoDB maxPoolSize, connections")
    min_pool_size: int = Field(5, ge=0, description="MongoDB minPoolSize, connections")
    max_connecting: int = Field(10, ge=1, description="MongoDB maxConnecting, connections being opened at once")
    max_idle_time_ms: int = Field(600_000, ge=0, description="MongoDB maxIdleTimeMS, ms (600000 is 10 minutes)")
    connect_timeout_ms: int = Field(30_000, ge=1, description="MongoDB connectTimeoutMS, ms")
    socket_timeout_ms: int = Field(0, ge=0, description="MongoDB socketTimeoutMS, ms; 0 is none")
    server_selection_timeout_ms: int = Field(10_000, ge=1, description="MongoDB serverSelectionTimeoutMS, ms")
    wait_queue_timeout_ms: int = Field(10_000, ge=1, description="MongoDB waitQueueTimeoutMS, ms")
    redis_max_connections: int = Field(50, ge=1, description="Redis pool size, connections")
    redis_connect_timeout_s: float = Field(5.0, gt=0, description="Redis connection time-out, s")
    redis_socket_timeout_s: float = Field(2.0, gt=0, description="Redis reply time-out, s")

    # --- inserts
    batch_size: int = Field(500, ge=1, le=100_000, description="documents a batch")
    writers: int = Field(2, ge=1, le=64, description="batches inserted at once by the pipeline")
    executor: str = Field(
        "processes",
        description="where the pipeline's batches run: processes, threads, or a Dask scheduler, tcp://host:port",
    )
    write_concern: str = Field("majority", description="w: majority or a number of members")
    journal: Literal["default", "true", "false"] = Field("default", description="j; default leaves it to the server")
    wtimeout_ms: int = Field(5_000, ge=0, description="write concern time-out, ms")

    # --- leads
    lead_files: str = Field("", description="vendor files, path:vendor separated by commas; empty: a made sample")
    sample_records: int = Field(26_000, ge=100, description="records in the made sample")
    sample_seed: int = Field(20_000, description="seed of the made sample")
    on_duplicate: Literal["skip", "fill"] = Field("fill", description="what a second sighting of a lead does")
    staging_ttl_days: float = Field(0.0, ge=0, description="life of staged records once they are done, days; 0: kept")
    rejected_ttl_days: float = Field(0.0, ge=0, description="life of rejected records, days; 0: kept")
    backlog_max_age_s: float = Field(600.0, gt=0, description="oldest staged record that may wait without a warning, s")
    sent: str = Field("", description="what collectors say that they sent: 'apollo-1=2000, brightdata-2=1800'")
    key_ttl_days: float = Field(7.0, gt=0, description="life of a duplicate key in Redis, days")
    points_required_field: int = Field(20, ge=0, description="quality points for each of the 4 required fields")
    points_email: int = Field(20, ge=0, description="quality points for an e-mail")
    points_company: int = Field(20, ge=0, description="quality points for complete company data")
    complete_company_fields: str = Field(
        "company_website, company_industry, company_size", description="complete company data has all of these"
    )
    qualified_min_score: int = Field(75, ge=0, le=100, description="least quality score of a qualified lead")
    qualified_title_patterns: str = Field(
        "marketing, marketer, growth, paid media, paid search, paid social, ppc, sem, performance, demand gen, "
        "acquisition, digital",
        description="titles of qualified leads: whole words; the last of several may go on (demand gen: Generation)",
    )
    enrichment: bool = Field(False, description="ask Hunter and Clearbit for missing fields")
    enrichment_budget_usd: float = Field(
        25.0, ge=0, description="most that enrichment may spend in a calendar month, USD"
    )
    hunter_finder_usd: float = Field(0.025, ge=0, description="price of an e-mail found by Hunter, USD, see your plan")
    hunter_verifier_usd: float = Field(0.0125, ge=0, description="price of an e-mail verified by Hunter, USD")
    company_usd: float = Field(0.1, ge=0, description="price of a company look-up at Clearbit or Hunter, USD")
    enrichment_verify: bool = Field(True, description="have Hunter verify e-mails that nobody has verified")
    enrichment_per_second: float = Field(
        5.0, gt=0, description="calls a second to each vendor endpoint, all workers together"
    )
    enrichment_concurrency: int = Field(4, ge=1, le=64, description="calls under way at once, in each worker")
    enrichment_attempts: int = Field(3, ge=1, le=3, description="attempts at each call, at most")
    enrichment_timeout_s: float = Field(10.0, gt=0, description="longest silence of a vendor, s")
    crm: bool = Field(False, description="send qualified leads to HubSpot")
    crm_batch_size: int = Field(100, ge=1, le=100, description="contacts a call; HubSpot takes 100 at most")
    crm_id_property: Literal["email", "linkedin_url"] = Field(
        "email", description="unique HubSpot property that tells contacts apart"
    )

    # --- the sprint
    sprint_start: str = Field("", description="start of the sprint, ISO 8601 with its zone; empty: its first leads")
    sprint_deadline: str = Field("", description="end of the sprint, ISO 8601 with its zone; empty: no deadline")
    milestones: str = Field("10000, 20000", description="numbers of leads whose time is forecast")

    # --- trials and the rehearsal's live sprint
    trial_records: int = Field(26_000, ge=1_000, description="made records of phase 04's trial, in scratch collections")
    live_seconds: float = Field(25.0, ge=1, le=86_400, description="length of the rehearsal's live sprint, s")
    clock: float = Field(
        1.0, gt=0, le=1_000, description="how many times as fast the sprint's clock goes; a rehearsal's only"
    )

    # --- the watch
    watch_every_s: float = Field(30.0, ge=0.05, le=3_600, description="interval of `leadbook watch`, s")
    watch_dir: str = Field("", description="where watches keep their series, a folder a target; empty: .leadbook/watch")

    # --- consoles that are asked by API (keys by environment variables)
    atlas_project: str = Field("", description="Atlas project, 24 hex digits; empty: Atlas' API is not asked")
    atlas_cluster: str = Field("", description="Atlas cluster; empty: the one whose hosts MONGODB_URI names")
    n8n_url: str = Field("", description="address of n8n; empty: its API is not asked")

    # --- alerts
    alerts: bool = Field(False, description="send alerts to people; false only shows and records what would be sent")
    alert_answer_minutes: float = Field(15.0, gt=0, description="unanswered so long, the next level is told too, min")
    alert_hold_minutes: float = Field(5.0, ge=0, description="an alert must have ended so long to be over, min")
    alert_most_an_hour: int = Field(20, ge=2, description="messages an hour to one address, at most")

    # --- measurements
    bench_rounds: int = Field(4, ge=2, description="interleaved rounds of each benchmark")
    bench_documents: int = Field(1_000, ge=100, description="documents inserted per round and variant")
    bench_leads: int = Field(20_000, ge=1_000, description="leads in the collection that look-ups and finds run on")
    load_records: str = Field("10000, 20000", description="documents of the load tests")
    load_writers: str = Field("10, 50", description="concurrent writers of the load tests")
    duplicate_checks: int = Field(10_000, ge=100, description="duplicate checks under load")
    load_processes: int = Field(0, ge=0, le=64, description="processes that make the load, 0 for one a core")
    open_loop_seconds: float = Field(2.0, gt=0, le=600, description="length of each step of the open-loop test, s")
    open_loop_percent: str = Field(
        "50, 90, 130",
        description="open-loop steps in per cent of the closed loop's rate, until one is missed",
    )
    open_loop_in_flight: int = Field(32, ge=1, description="calls under way at once in the open-loop test, at most")
    monitor_seconds: float = Field(6.0, ge=1, le=3_600, description="length of the monitoring snapshot, s")
    validate_collection: Literal["full", "background", "off"] = Field(
        "full", description="final validate of the leads; full locks the collection meanwhile"
    )

    # --- targets (each one a gate)
    target_insert_rate: float = Field(1_000.0, description="batch inserts, documents/s, at least")
    target_single_insert_ms: float = Field(50.0, description="one insert, ms, less than")
    target_batch_100_ms: float = Field(1_000.0, description="a batch of 100, ms, less than")
    target_duplicate_check_ms: float = Field(100.0, description="one duplicate check, ms, less than")
    target_find_ms: float = Field(100.0, description="an indexed find, ms, less than")
    target_mongodb_checkout_ms: float = Field(100.0, description="MongoDB connection check-out, ms, less than")
    target_redis_checkout_ms: float = Field(50.0, description="Redis connection check-out, ms, less than")
    target_accuracy_percent: float = Field(100.0, description="duplicate-check accuracy, %, at least")
    target_leads_per_hour: float = Field(833.0, description="leads/hour, at least")
    target_collected: int = Field(20_000, description="leads collected, at least")
    target_unique: int = Field(18_000, description="unique leads stored, at least")
    target_quality_score: float = Field(75.0, description="mean quality score, more than")
    target_email_percent: float = Field(25.0, description="leads with an e-mail, %, more than")
    target_company_percent: float = Field(80.0, description="leads with company data, %, more than")
    target_cost_usd: float = Field(0.60, description="cost per qualified lead, USD, less than")
    target_pool_size: int = Field(50, description="maxPoolSize, connections, at least")
    target_backup_days: int = Field(7, description="backups kept, days, at least")
    sprint_cost_usd: float = Field(2_400.0, description="what the sprint costs in all, USD; 0 where not known")
    sprint_cost_basis: str = Field("an assumption of the rehearsal", description="what sprint_cost_usd adds up")

    @field_validator("*", mode="before")
    @classmethod
    def _whole_numbers_are_floats_too(cls, value: Any, info: Any) -> Any:
        field = cls.model_fields[info.field_name]
        if field.annotation is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        return value

    @field_validator("sprint_start", "sprint_deadline", mode="before")
    @classmethod
    def _yaml_reads_moments(cls, value: Any) -> Any:
        return value.isoformat() if isinstance(value, datetime) else value

    @field_validator("*")
    @classmethod
    def _allowed(cls, value: Any, info: Any) -> Any:
        allowed.refuse(info.field_name, value)
        return value

    @field_validator("approve")
    @classmethod
    def _known_actions(cls, value: str) -> str:
        for entry in filter(None, map(str.strip, value.split(","))):
            action, _, database = entry.partition(" on ")
            if action not in allowed.ACTIONS or not database.strip():
                known = ", ".join(allowed.ACTIONS)
                raise ValueError(f"must be 'ACTION on DATABASE', with an ACTION of {known}")
        return value

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Settings:
        """Strictly checked settings. Raises ParameterError naming the first bad key, with "did you mean"."""
        settings = cls._each(values)
        settings._agree()
        return settings

    @classmethod
    def _each(cls, values: Mapping[str, Any]) -> Settings:
        """Each value checked by itself: an override may still change what it has to agree with."""
        for key, value in values.items():
            if key not in cls.model_fields:
                raise ParameterError(key, "no notebook knows it", did_you_mean(key, cls.model_fields))
            if isinstance(value, str) and secret_values([value]):
                raise ParameterError(key, "holds a password", "name an environment variable instead")
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0]) if first["loc"] else "?"
            problem = first["msg"].removeprefix("Value error, ")
            raise ParameterError(name, f"{problem[:1].lower()}{problem[1:]}, got {values.get(name)!r}") from None

    def _agree(self) -> None:
        """Raise ParameterError where values contradict each other."""
        taken: dict[str, str] = {}
        for key in allowed.COLLECTIONS:
            name = str(self.__dict__[key])
            if name in taken:
                raise ParameterError(key, f"is {name!r}, and so is {taken[name]}", "give each collection its own name")
            taken[name] = key
        if self.is_production and self.clock != 1:
            raise ParameterError("clock", f"must be 1 in production, got {self.clock:g}", "only a rehearsal hurries")
        for action in allowed.ACTIONS:
            self.approves(action)
        begin, end = (one and datetime.fromisoformat(one) for one in (self.sprint_start, self.sprint_deadline))
        if begin and end and end <= begin:
            raise ParameterError("sprint_deadline", f"is {self.sprint_deadline}, which is not after sprint_start")

    @classmethod
    def for_notebook(cls, namespace: Mapping[str, Any]) -> Settings:
        """Settings of one notebook: its profile's file, and above it whatever the namespace sets that is not None.

        Raises InputFileError or ParameterError, as `load_profile` does.
        """
        given = {key: namespace[key] for key in cls.model_fields if namespace.get(key) is not None}
        return cls.from_mapping({**load_profile(str(given.pop("profile", "rehearsal"))), **given})

    @property
    def is_production(self) -> bool:
        """True where rehearsal actions are refused."""
        return self.profile == "production"

    @property
    def is_rehearsal(self) -> bool:
        """True where what only a production cluster can show is not applicable (profiles rehearsal and ci)."""
        return self.profile != "production"

    def approves(self, action: str) -> bool:
        """Whether `action` (see allowed.ACTIONS) may be done on this database; a rehearsal's own needs no approval.

        Raises ParameterError where it is approved for another database only: a slip that must not pass unnoticed.
        """
        if not self.is_production:
            return True
        entries = (entry.partition(" on ") for entry in self.approve.split(","))
        named = {database.strip() for name, _, database in entries if name.strip() == action}
        if named and self.database not in named:
            raise ParameterError(
                "approve", f"approves {action} on {', '.join(sorted(named))}, but the database is {self.database}",
                f"say approve='{action} on {self.database}'",
            )  # fmt: skip
        return bool(named)

    def how_to_approve(self, action: str, what: str = "") -> str:
        """What to type so that `approves(action)` is true, beside what is approved: the remedy of a check that waits
        for it. what: it would let leadbook do here, where that is not all of `allowed.ACTIONS`."""
        said = ", ".join(filter(None, (self.approve.strip(" ,"), f"{action} on {self.database}")))
        command = f"leadbook run --profile production --stage ready -p approve='{said}'"
        return f"to let leadbook {what or allowed.ACTIONS[action]}, run `{command}`"

    def refuse_unapproved(self, action: str) -> None:
        """Raise RefusedError, naming what to type, unless `approves(action)`."""
        if not self.approves(action):
            raise RefusedError(f"{action} is not approved for database {self.database}; {self.how_to_approve(action)}")

    def refuse_in_production(self, action: str) -> None:
        """Raise RefusedError if this is a production profile."""
        if self.is_production:
            raise RefusedError(
                f"profile production refuses to {action}; this is a rehearsal-only action: use --profile rehearsal"
            )


def profile_path(profile: str) -> Path:
    """The file of a profile given by name or by path. Raises ParameterError when there is none."""
    path = Path(profile) if profile.endswith((".yaml", ".yml")) else PROJECT / "params" / f"{profile}.yaml"
    if not path.is_file():
        names = sorted(p.stem for p in (PROJECT / "params").glob("*.yaml") if ".example" not in p.name)
        hint = did_you_mean(profile, names) or f"there are {', '.join(names)}"
        raise ParameterError("profile", f"no file {path}", hint)
    return path


def load_profile(profile: str) -> dict[str, Any]:
    """What a profile sets, checked: its file's values, above those of the profile that the file names.

    Keys that neither names have the defaults of `Settings`. Raises InputFileError (not YAML, not flat) or
    ParameterError (bad key or value).
    """
    path = profile_path(profile)
    values = _read_profile(path)
    base = profile_path(str(values.get("profile", "rehearsal")))
    merged = values if base == path else {**_read_profile(base), **values}
    Settings._each(merged)
    return merged


def _read_profile(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(allowed.text_of(path))
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        problem = f"not YAML: {error.problem}" if isinstance(error, yaml.MarkedYAMLError) else str(error)
        raise InputFileError(path, problem, line=mark.line + 1 if mark else None) from None
    if not isinstance(values, dict):
        raise InputFileError(path, "must hold `key: value` lines")
    nested = [str(key) for key, value in values.items() if isinstance(value, dict | list)]
    if nested:
        raise InputFileError(
            path, f"key {nested[0]!r} is nested", hint="a profile is flat, so that papermill can read it"
        )
    return values


def origins(profile: str, overrides: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    """Every key's (value in force, where it came from): `default`, a file of params, or `given`."""
    path = profile_path(profile)
    own, merged = _read_profile(path), load_profile(profile)
    settings = Settings.from_mapping({**merged, **overrides})
    base = profile_path(settings.profile)
    found = {}
    for key, value in settings.model_dump().items():
        named = "given" if key in overrides else path.name if key in own else base.name if key in merged else "default"
        found[key] = (value, named)
    return found


def parse_override(text: str) -> tuple[str, Any]:
    """`key=value` of `-p`, converted to the field's own type. Raises ParameterError.

    A text field keeps its text (`0012` stays `0012`), unlike bare papermill's `-p`.
    """
    key, equals, raw = text.partition("=")
    if not equals:
        raise ParameterError(text, "is not key=value")
    if key not in Settings.model_fields:
        raise ParameterError(key, "no notebook knows it", did_you_mean(key, Settings.model_fields))
    annotation = Settings.model_fields[key].annotation
    value: Any = raw
    if annotation is bool:
        value = {"true": True, "false": False}.get(raw.lower(), raw)
    elif annotation in (int, float):
        try:
            value = annotation(raw)
        except ValueError:
            expected = "a whole number" if annotation is int else "a number"
            raise ParameterError(key, f"must be {expected}, got {raw!r}") from None
    Settings._each({key: value})
    return key, value
