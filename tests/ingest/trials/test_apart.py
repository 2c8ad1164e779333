"""A site apart: nothing of it is the leads', and nothing of it stays, even of a process that was killed."""

import multiprocessing
import time

from bson import ObjectId

from leadbook.ingest.trials.apart import apart
from leadbook.lead.keys import linkedin_key
from leadbook.schema import undo

ANA = {"linkedin_url": "https://www.linkedin.com/in/ana", "email": "ana@shop.example"}


def hold(site, ready):
    """Work apart until killed."""
    with apart(site, "killed", cached=True) as there:
        there.tools().cache.remember([(ObjectId(), ANA)])
        ready.set()
        time.sleep(120)


def test_its_keys_are_no_leads_keys_and_all_of_it_is_gone_at_the_end(site, database, clean_redis):
    clean_redis.set(linkedin_key(ANA["linkedin_url"]), "a lead's own")
    before = set(database.list_collection_names())
    with apart(site, "trial", cached=True) as there:
        there.tools().cache.remember([(ObjectId(), ANA)])
        assert there.tools().cache.look_up([ANA])[0].lead
        assert len(undo.left_of(database, clean_redis, [there.keys])) == 4  # leads, two keys, a record
        assert all(0 < clean_redis.ttl(key) <= 3_600 for key in clean_redis.scan_iter(f"{there.keys}*"))
    assert undo.left_of(database, clean_redis, [there.keys]) == []
    assert list(clean_redis.scan_iter()) == [linkedin_key(ANA["linkedin_url"]).encode()]
    assert set(database.list_collection_names()) - {undo.COLLECTION} == before


def test_what_a_killed_process_left_the_next_phase_removes(site, database, admin, clean_redis):
    before = set(database.list_collection_names())
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Event()
    child = spawn.Process(target=hold, args=(site, ready))
    child.start()
    assert ready.wait(60)
    child.kill()
    child.join()
    assert clean_redis.dbsize() == 2
    (told,) = undo.sweep(database, admin, clean_redis)
    assert "was killed or interrupted; put back: 1 scratch collections dropped, 2 Redis keys removed" in told
    assert clean_redis.dbsize() == 0 and set(database.list_collection_names()) - {undo.COLLECTION} == before
