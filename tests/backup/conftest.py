"""1,500 leads in a database of the tests' own, and what phase 06 works on over it."""

import pytest

from leadbook.core.definitions import catalogue
from leadbook.phases.p06.subject import Subject
from leadbook.rehearsal import sample
from leadbook.schema.state import apply


@pytest.fixture
def of_our_backups():
    """Ids of what phase 06 measures of leadbook's own backups; the provider's are asked of its API."""
    return {entry.id for entry in catalogue().values()
            if entry.phase == "06" and entry.kind == "measured" and not entry.id.startswith("BKP-ATL-")}  # fmt: skip


@pytest.fixture
def kept(settings, tmp_path):
    """Settings whose backups lie in a folder of the test's."""
    return settings.model_copy(update={"backup_dir": str(tmp_path / "backups")})


@pytest.fixture
def filled(database, admin, settings):
    """Schema applied, and 1,500 leads."""
    leads = database[settings.collection]
    apply(leads, admin, settings)
    leads.insert_many(sample.documents(1_500, seed=17))
    return database


@pytest.fixture
def opened(admin):
    """`opened(database, settings)`: the leads as the sections' subject; dba: the DBA's client, if another one."""

    def made(database, settings, *, dba=admin, redis=None, swept=()):
        return Subject(settings=settings, staging=settings.staging_collection, database=database, admin=dba,
                       redis=redis, swept=swept)  # fmt: skip

    return made
