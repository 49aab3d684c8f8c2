"""A method that was chosen for retrieval: its script reads pairs and ranks documents with whichpeft."""

from __future__ import annotations

import json
from pathlib import Path

from whichpeft.report import Report
from whichpeft.study import TaskSource
from whichpeft.takeaway.cards import write_cards

from .conftest import Take


def test_the_script_ranks_documents(take_away: Take, tiny_backbone: Path, tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    rows = [{"query": f"close file {i}", "document": f"file_{i}.close()"} for i in range(60)]
    path.write_text("\n".join(map(json.dumps, rows)))
    source = TaskSource(name=str(path), problem="retrieval")
    taken = take_away("lora:r=4", source, str(tiny_backbone), epochs=1)
    assert taken.arrays["outputs"].shape == (6, 2)
    assert 0 < (taken.record.value("score", "test") or 0) <= 1
    script = (taken.folder / "train.py").read_text()
    assert "task.predictions(outputs, data[split], backbone)" in script
    assert "SequenceClassification" not in script
    compile(script, "train.py", "exec")
    assert not (taken.folder / "predict.py").exists()  # embeddings are for the user's own index
    (path,) = write_cards(Report.read(tmp_path / "run"), tmp_path / "run")
    text = path.read_text()
    assert "AutoModel\n" in text
    assert "type: feature-extraction" in text
    assert "the mean of `model(**inputs).last_hidden_state`" in text
