"""The study of variety: its splits, its samples, one seed from end to end, and its page."""

import dataclasses
import json
import types

import numpy as np
import pytest

from configs import mlsf
from configs.base import DATASETS
from launch.studies import (
    variety,
    variety_page,
    variety_plain,
    variety_rows,
    variety_takes,
    variety_targets,
)
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.config import ModelConfig, read_config
from signllm_jax.core.errors import ConfigError, DataError, OutputError
from signllm_jax.corpora import spelled_signers, spelled_texts
from signllm_jax.data import splits
from signllm_jax.eval import evaluators
from signllm_jax.eval.back_translate import ReaderConfig

NAMED = {  # the names that others read
    *("cer", "cer_real", "travel", "speed", "raw_travel", "raw_jerk", "frechet"),
    *("diversity_over_real", "best_of_4_over_mean_pose", "mixed_hands", "left_handed"),
    *("real_left_handed", "unseen_signers"),
}
TAKES_NAMED = {
    *("sign_read_over_real", "travel", "tstd_over_real", "diversity_over_real", "frechet"),
    *("tau1", "tau2", "tau3"),
}
SMALL = {"width": 16, "heads": 2, "mlp": 16, "encoder_layers": 1, "decoder_layers": 1}


def listed(sessions):
    """Lines of an index: sign -> session -> number of takes."""
    return [
        {"id": f"{sign}-{name}-{i}", "text": sign, "signer": name}
        for sign, own in sessions.items()
        for name, count in own.items()
        for i in range(count)
    ]


def test_a_sign_is_tested_on_sessions_that_are_not_trained_on():
    lines = listed({"tea": {"a": 30, "b": 2, "c": 3, "d": 5}, "you": {"a": 9, "b": 4}})
    found = variety_takes.session_splits(lines)
    assert found.keys() == {line["id"] for line in lines}
    places = {(line["text"], line["signer"]): found[line["id"]] for line in lines}
    assert places["tea", "b"] == places["tea", "c"] == "test" == places["you", "b"]
    assert places["tea", "d"] == "dev"
    assert places["tea", "a"] == places["you", "a"] == "train"


def test_a_sign_of_one_session_is_left_out_and_train_is_thinned_over_sessions():
    many = {"alone": {"a": 9}, "water": {"a": 1, "b": 4, "c": 5, "d": 60, "e": 70}}
    found = variety_takes.session_splits(listed(many))
    assert not any(name.startswith("alone") for name in found)
    train = [name for name, split in found.items() if split == "train"]
    assert len(train) == variety_takes.MOST
    assert sum(name.startswith("water-d") for name in train) == variety_takes.MOST / 2


def drawing(latent):
    """A model that says which text and seed it was asked for."""
    return types.SimpleNamespace(
        languages=("asl",),
        describe=lambda language: types.SimpleNamespace(model=ModelConfig(latent=latent)),
        read=lambda text, language, seed=0: types.SimpleNamespace(clip=f"{text} {seed}"),
        sign=lambda requests: requests,
    )


def test_samples_are_other_draws_and_one_clip_where_nothing_is_drawn():
    drawn = variety.samples(drawing(16), ["a", "b"], 3, seed=2)
    assert [len(set(own)) for own in drawn] == [3, 3]
    assert len({clip.split()[1] for own in drawn for clip in own}) == 6  # all by other signers
    assert not {*drawn[0]} & {*variety.samples(drawing(16), ["a", "b"], 3, seed=1)[0]}
    assert variety.samples(drawing(0), ["a"], 2, seed=0) == [["a 0", "a 0"]]


def test_every_take_of_a_text_has_a_sample_of_its_own():
    made = {"a": ["a1", "a2", "a3"], "b": ["b1"]}
    assert variety_rows._aligned(["a", "b", "a", "b"], made) == ["a1", "b1", "a2", "b1"]


def test_a_way_whose_settings_are_not_there_is_left_out_by_name(monkeypatch):
    monkeypatch.setitem(variety.SETTINGS, "magic", {"magic": 1})
    ways, said = variety.possible(["mse", "magic"])
    assert ways == ["mse"] and said == ["magic is left out: there is no config.model.magic"]


def test_what_cannot_be_done_is_refused_before_anything_is_trained(tmp_path):
    with pytest.raises(OutputError, match="its name must end in"):
        variety.Options(tmp_path / "seed.txt").check()
    with pytest.raises(ConfigError, match="'clever' is none of"):
        variety.Options(tmp_path / "seed.json", ways=["clever"]).check()
    with pytest.raises(ConfigError, match="--halves: 'both' is none of signers, takes"):
        variety.Options(tmp_path / "seed.json", halves=["both"]).check()
    with pytest.raises(ConfigError, match="takes need --takes"):
        variety.Options(tmp_path / "seed.json", halves=["takes"]).check()
    with pytest.raises(ConfigError, match="has no index"):
        variety.Options(tmp_path / "seed.json", takes=tmp_path).check()
    with pytest.raises(DataError, match="no seed-"):
        variety_page.write(tmp_path)


def test_a_summary_has_the_means_over_seeds():
    first = {"cer": 0.1, "texts": 40, "judged": "latent", "rows": {"mse": {"cer": 0.2}}}
    second = {"cer": 0.3, "texts": 40, "judged": "latent", "rows": {"mse": {"cer": 0.4}}, "x": 1}
    assert variety_page.mean([first, second]) == {
        "cer": 0.2,
        "texts": 40,
        "judged": "latent",
        "rows": {"mse": {"cer": 0.3}},
    }


def test_records_of_one_seed_for_different_ways_are_one():
    def record(seed, judged, cer):
        own = {"cer": cer, "judged": judged, "rows": {judged: {"cer": cer}}}
        return {"seed": seed, "signers": own}

    records = [record(1, "latent", 0.3), record(0, "mse", 0.2), record(0, "latent", 0.1)]
    records.append({"seed": 0, "takes": {"judged": "mse", "rows": {}}})  # the other half alone
    zero, one = variety_page.joined(records)
    assert (zero["seed"], one["seed"]) == (0, 1) and one == records[0] and "takes" in zero
    assert zero["signers"]["cer"] == 0.1 and zero["signers"]["judged"] == "latent"
    assert zero["signers"]["rows"] == {"mse": {"cer": 0.2}, "latent": {"cer": 0.1}}


def test_a_row_of_fewer_seeds_says_so():
    rows = variety_page.mean_rows([{"latent": {"cer": 0.1}}, {"mse": {"cer": 0.2}}, {"mse": {}}])
    assert [*rows] == ["mse", "latent"]
    assert rows["latent"] == {"cer": 0.1, "seeds": 1, "of": 3}
    assert [*variety_page._named(rows)][1] == "autoregressive, latent (1 of 3 seeds)"


def test_the_page_says_by_how_much_a_target_is_missed():
    cer, travel = variety_targets.SIGNERS[:2]
    assert variety_targets.missed(travel, 0.85) == pytest.approx(-0.05)
    assert variety_targets.missed(travel, 1.25) == pytest.approx(0.15)
    assert variety_targets.missed(travel, 0.95) == 0
    row = {"cer": 0.095, "cer_real": 0.005, "travel": 0.85}
    lines = variety_targets.table((cer, travel), {"latent": row}).splitlines()
    assert lines[2] == "| CER beyond real takes' | at most 3.0% | 9.0% **(missed by 6.0%)** |"
    assert lines[3] == "| travel, filtered | 0.900 to 1.100 | 0.850 **(missed by 0.050)** |"


def test_the_page_says_what_was_not_run():
    rows = {way: {} for way in variety_page.TITLES}
    whole = {"signers": {"rows": rows}, "takes": {"rows": rows}, "plain": [{"decoder": "parallel"}]}
    assert variety_page._not_shown(whole).startswith("The Priority Learning Channel")
    said = variety_page._not_shown(whole | {"takes": {"rows": {**rows, "flow": {}}}, "plain": []})
    assert said.startswith("The parallel decoder on the demo") and "flow" not in said
    del rows["flow"]
    said = variety_page._not_shown(whole)
    assert "flow matching on many signers; parallel, flow matching on takes" in said


def plain_run(folder, decoder, seed, cer, **train):
    """A finished run of the demo, as far as its record is read."""
    config = mlsf.get_config("plain")
    config.model.decoder = decoder
    config.train.update(seed=seed, **train)
    folder.mkdir()
    Workdir(folder).claim(read_config(config.to_dict()), ("asl", "gsl"))
    figures = dict.fromkeys(variety_plain.FIGURES, 1.0) | {"cer": cer, "clips": 6}
    (folder / "report.json").write_text(json.dumps({"overall": figures, "split": "test"}))
    (folder / "final.json").write_text(json.dumps({"cpu_seconds": 50.0}))
    return folder


def test_the_demo_s_runs_are_recorded_and_stand_side_by_side(tmp_path):
    made = [("parallel", 0, 0.02), ("autoregressive", 0, 0.01), ("autoregressive", 1, 0.03)]
    runs = [plain_run(tmp_path / f"{one[0]}{one[1]}", *one) for one in made]
    output = tmp_path / "docs" / "plain.json"
    variety_plain.record(runs[:1], output)
    variety_plain.record(runs[1:], output)
    *_, table = variety_plain.section(variety_plain.read(output))
    assert "| autoregressive | 0, 1 | 50 | 2.00% |" in table
    assert "| parallel | 0 | 50 | 2.00% |" in table
    assert variety_plain.section(variety_plain.read(tmp_path / "none.json")) == []


def test_a_run_that_is_not_the_demo_s_is_refused(tmp_path):
    output = tmp_path / "plain.json"
    with pytest.raises(DataError, match="has no report of a finished run"):
        variety_plain.record([tmp_path / "missing"], output)
    runs = [
        plain_run(tmp_path / str(seed), "parallel", seed, 0.1, steps=7 + seed) for seed in (0, 1)
    ]
    with pytest.raises(DataError, match="differ in languages or steps"):
        variety_plain.record(runs, output)
    assert not output.exists()
    other = json.loads((runs[0] / "report.json").read_text()) | {"split": "dev"}
    (runs[0] / "report.json").write_text(json.dumps(other))
    with pytest.raises(DataError, match="its report on test"):
        variety_plain.record(runs[:1], output)


@pytest.mark.slow
def test_a_seed_s_figures_are_made_and_stand_on_the_page(tmp_path, monkeypatch):
    texts = {split: own[:4] for split, own in texts_of("asl").items()}
    texts["train"] += ("abcde", "fghij", "klmno", "pqrst", "uvwxyz", "a b", "a", "abcdefghijklmnop")
    monkeypatch.setattr(spelled_texts, "texts", lambda language: texts)
    monkeypatch.setattr(spelled_signers, "STRINGS", 2)
    monkeypatch.setitem(DATASETS["fingerspelling_signers"]["eval"], "max_frames", 64)
    monkeypatch.setitem(variety.SETTINGS, "mse", SMALL)
    monkeypatch.setattr(evaluators, "SIGNERS_READER", ReaderConfig(steps=2, batch_size=2, width=8))
    splits.prepare("fingerspelling_signers", "asl", tmp_path / "data")
    output = tmp_path / "docs" / "variety" / "seed-0.json"
    options = variety.Options(
        output, work=tmp_path / "work", ways=["mse"], steps=2, data_dir=str(tmp_path / "data")
    )
    said = list(variety.make(options))
    assert said == ["takes are left out: --takes names no folder", f"{output}: mse"]
    found = json.loads(output.read_text())["signers"]
    assert found.keys() >= NAMED and found["judged"] == "mse"
    assert found["diversity_over_real"] == 0 and np.isfinite(found["frechet"])
    assert found["references"]["another real take"]["diversity_over_real"] == 1
    on_dev = dataclasses.replace(options, output=tmp_path / "dev.json", split="dev")
    list(variety.make(on_dev))
    dev = json.loads(on_dev.output.read_text())["signers"]
    assert dev["expected_dtw"] != found["expected_dtw"] and "unseen_signers" not in dev
    variety_page.write(tmp_path / "docs")
    summary = json.loads((tmp_path / "docs" / "variety" / "summary.json").read_text())
    assert summary["signers"]["cer"] == found["cer"]
    page = (tmp_path / "docs" / "variety.md").read_text()
    assert "autoregressive, squared error" in page and "another real take" in page


def texts_of(language):
    """The corpus's texts, those of 3 to 6 and of more letters in turn."""
    own = spelled_texts.texts(language)
    found = {}
    for split, texts in own.items():
        short = [text for text in texts if 3 <= len(text) <= 4]
        longer = [text for text in texts if len(text) == 7]
        found[split] = tuple(text for pair in zip(short, longer) for text in pair)
    return found


@pytest.mark.slow
def test_takes_of_signs_are_prepared_learnt_and_read(tmp_path, monkeypatch, shared_data):
    source = tmp_path / "takes"
    source.mkdir()
    (source / "asl").symlink_to(shared_data / "takes" / "asl")
    head, *lines = (shared_data / "takes" / "index.csv").read_text().splitlines()
    signs = [line for line in lines if line.split(",")[2] in ("water", "sad")]
    chosen = [line for i, line in enumerate(signs) if i % 3 == 0]
    (source / "index.csv").write_text("\n".join([head, *chosen]) + "\n")
    monkeypatch.setitem(variety.SETTINGS, "mse", SMALL)
    options = variety.Options(
        tmp_path / "seed-0.json", work=tmp_path / "work", takes=source, ways=["mse"], steps=2
    )
    found = variety._takes(options, source, ["mse"])
    assert found.keys() >= TAKES_NAMED and found["texts"] == 2
    assert found["references"]["mean pose"]["travel"] < 1e-6
    again = variety_takes.prepared(source, tmp_path / "work")
    assert again == tmp_path / "work" / "data"
