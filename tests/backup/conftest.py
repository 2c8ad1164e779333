"""1,500 leads in a database of the tests' own, and phase 06's sections over it as the notebook makes them."""

from types import SimpleNamespace

import pytest

from leadbook.phases.p06.sections import BackupProof
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
def prove(admin):
    """`prove(database, settings)`: phase 06's sections; dba: the DBA's client, where it is another one."""

    def made(database, settings, *, dba=admin, redis=None, swept=()):
        leads = database[settings.collection]
        book = SimpleNamespace(
            settings=settings, database=database, admin=dba, redis=redis, leads=leads, swept=list(swept)
        )
        return BackupProof(book)

    return made
