"""1,500 leads in a database of the tests' own, and a stand-in for the open phase 06 over it."""

from types import SimpleNamespace

import pytest

from leadbook.rehearsal import sample
from leadbook.schema.state import apply


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
    """`opened(database, settings)`: what sections ask of the open phase; dba: the DBA's client, if another one."""

    def made(database, settings, *, dba=admin, redis=None, swept=()):
        leads = database[settings.collection]
        return SimpleNamespace(
            settings=settings, database=database, admin=dba, redis=redis, leads=leads, swept=list(swept)
        )

    return made
