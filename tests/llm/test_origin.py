"""What a backbone starts from, by content."""

import json
from dataclasses import asdict

from genrec.llm.options import BackboneConfig
from genrec.llm.origin import base_content
from genrec.workspace import write_artefact


def test_a_folder_is_told_by_what_is_in_it_and_a_name_by_itself(tmp_path):
    llm = BackboneConfig(name=str(tmp_path))
    (tmp_path / "config.json").write_text("one")
    first = base_content(llm)
    assert base_content(llm) == first
    (tmp_path / "config.json").write_text("another")
    assert base_content(llm) != first
    assert base_content(BackboneConfig(name="tiny")) == "tiny"


def test_an_earlier_run_is_told_by_its_recommender_and_the_llm_under_it(tmp_path):
    (tmp_path / "llm").mkdir()

    def content(weights, llm):
        (tmp_path / "llm" / "config.json").write_text(llm)
        with write_artefact(tmp_path / "run" / "recommender", "recommender") as folder:
            (folder / "weights").write_text(weights)
            about = {
                "config": asdict(BackboneConfig(name=str(tmp_path / "llm"))),
                "token_names": [],
            }
            (folder / "backbone.json").write_text(json.dumps(about))
        return base_content(BackboneConfig(start_from=str(tmp_path / "run")))

    found = [content(*both) for both in [("a", "x"), ("a", "x"), ("b", "x"), ("a", "y")]]
    assert found[0] == found[1]
    assert len(set(found)) == 3
