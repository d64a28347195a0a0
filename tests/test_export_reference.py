"""`prepare --lift=reference --export_skels=FILE` writes the original's own numbers again."""

import numpy as np
import pytest
from commands import run
from test_openpose import made_clip

from signllm_jax.poses.openpose import write_openpose

FLAGS = ["--format=openpose", "--fps=24", "--language=asl", "--name=h2s", "--workers=1"]


@pytest.mark.slow
def test_the_originals_files_are_written_again(tmp_path, shared_data):
    folder = shared_data / "how2sign"
    flags = [f"--source={folder / 'openpose'}", f"--manifest={folder / 'text'}", *FLAGS]
    flags += ["--lift=reference", f"--data_dir={tmp_path / 'data'}"]
    code, _, err = run(tmp_path, "prepare", [*flags, f"--export_skels={tmp_path / 'a.skels'}"])
    assert code == 0, err
    names = (tmp_path / "a.files").read_text().split()
    lines = (tmp_path / "a.skels").read_text().splitlines()
    assert len(names) == len(lines) == 3
    assert len((tmp_path / "a.text").read_text().splitlines()) == 3
    for name, line in zip(names, lines):
        theirs = (folder / "lift_reference" / f"{name}.skels").read_text()
        ours, theirs = (np.array(t.split(), float).reshape(-1, 151) for t in (line, theirs))
        apart = np.abs(ours - theirs)
        assert apart[:, 150].max() == 0
        apart = apart[:, :150].reshape(-1, 50, 3)
        assert apart[..., :2].max() <= 4e-5 and apart[..., 2].max() <= 1e-3


def test_what_the_original_does_not_make_is_refused_in_one_line(tmp_path):
    write_openpose(tmp_path / "src" / "a", made_clip())
    (tmp_path / "clips.csv").write_text("id,text\na,hello\n")
    flags = [f"--source={tmp_path / 'src'}", f"--manifest={tmp_path / 'clips.csv'}", *FLAGS]
    flags += [f"--data_dir={tmp_path / 'data'}"]
    for more, message in (
        ([f"--export_skels={tmp_path / 'a.skels'}"], "--export_skels needs --lift=reference"),
        (["--lift=reference", "--export_skels=a.txt"], "a.txt: the name of the file must end in"),
    ):
        code, out, err = run(tmp_path, "prepare", [*flags, *more])
        assert code == 2 and message in err and err.count("\n") == 1 and not out
    assert not (tmp_path / "data").exists()
