import itertools

import numpy as np
import pytest
from PIL import Image

from deepgalaxy.data.augment import Augmentation
from deepgalaxy.data.batches import BatchPlan, select
from deepgalaxy.data.layout import read_catalogue
from deepgalaxy.data.pipeline import Batches
from deepgalaxy.data.unlabelled import JointBatches, Unlabelled, convert, labelled_only
from deepgalaxy.errors import InputError

FOUND = 7


@pytest.fixture
def photos(tmp_path):
    """Seven photographs, each of one brightness, and a file that is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(FOUND):
        Image.fromarray(np.full((40, 60), 10 * (i + 1), np.uint8)).save(folder / f"{i}.png")
    (folder / "x.png").write_text("none")
    return folder


@pytest.fixture
def unlabelled(photos, tmp_path):
    skipped = []
    assert convert(str(photos), 32, tmp_path / "photos.float32", skipped.append) == FOUND
    assert [s.name for s in skipped] == ["x.png"]
    everything = Unlabelled.mapped(tmp_path / "photos.float32", 32, seed=0)
    assert sorted([*everything.training, *everything.validation]) == list(range(FOUND))
    assert len(everything.training) == 6  # 80% of 7
    return everything


def test_photographs_wait_in_a_file(unlabelled):
    assert unlabelled.pixels.shape == (FOUND, 32, 32, 1)
    assert unlabelled.pixels.mean(axis=(1, 2, 3)) * 255 == pytest.approx(10 * np.arange(1, FOUND + 1), rel=1e-3)


def test_a_folder_of_nothing_readable_is_told_and_leaves_no_file(tmp_path):
    (tmp_path / "bad.png").write_text("none")
    with pytest.raises(InputError, match="none of the 1 images in .* can be read"):
        convert(str(tmp_path), 32, tmp_path / "out.float32", lambda _: None)
    assert not list(tmp_path.glob("out*"))


def joint(data_file, unlabelled, workers=1, rank=0, first_step=0, passes=1, augmentation=None):
    catalogue = read_catalogue(data_file)
    examples = select(catalogue)
    plan = BatchPlan(len(examples), 6 * passes, workers, seed=0)
    labelled = Batches(catalogue, examples, plan, rank, first_step, augmentation)
    more = BatchPlan(len(unlabelled.training), 2 * passes, workers, seed=0)
    options = dict(first_step=first_step, passes=passes, augmentation=augmentation)
    return JointBatches(labelled, unlabelled, more, rank, **options), labelled


def steps(batches, number):
    return [[t.numpy() for t in batch] for batch in itertools.islice(batches, number)]


def test_a_joint_batch_holds_both_and_weighs_each_as_it_should(data_file, unlabelled):
    batches, labelled = joint(data_file, unlabelled)
    for (images, labels, label_weights, image_weights), alone in zip(
        steps(batches, 3), steps(labelled_only(labelled), 3), strict=True
    ):
        assert images.shape == (8, 32, 32, 1)
        assert np.array_equal(images[:6], alone[0])
        assert np.array_equal(labels, [*alone[1], 0, 0])
        assert label_weights == pytest.approx([*(alone[2] * 8 / 6), 0, 0])
        value = np.random.default_rng(0).normal(size=8)
        assert np.mean(label_weights * value) == pytest.approx(np.mean(alone[2] * value[:6]))
        assert np.all(image_weights > 0)


def test_every_photograph_to_train_on_comes_once_an_epoch_of_theirs(data_file, unlabelled):
    seen = []
    for rank in range(2):
        for images, _, _, image_weights in steps(joint(data_file, unlabelled, workers=2, rank=rank)[0], 2):
            seen += list(images[6:][image_weights[6:] > 0].mean(axis=(1, 2, 3)) * 255)
    assert sorted(seen) == pytest.approx(10 * (1 + np.sort(unlabelled.training)), rel=1e-3)


def test_the_others_come_once_in_validation_without_labels(unlabelled):
    plan = BatchPlan(len(unlabelled.validation), 4, 1, seed=0)
    ((images, labels, label_weights, image_weights),) = unlabelled.batches(plan, 0)
    assert images.shape == (4, 32, 32, 1)
    assert float(images[0, 0, 0, 0]) * 255 == pytest.approx(10 * (1 + unlabelled.validation[0]), rel=1e-3)
    assert not np.any(labels) and not np.any(label_weights)
    assert list(image_weights.numpy() > 0) == [True, False, False, False]


def test_every_pass_has_its_share_of_both(data_file, unlabelled):
    (batch,) = steps(joint(data_file, unlabelled, passes=2)[0], 1)
    assert batch[0].shape == (16, 32, 32, 1)
    assert list(batch[2] > 0) == ([True] * 6 + [False] * 2) * 2


def test_joint_batches_go_on_where_they_were(data_file, unlabelled):
    augmentation = Augmentation(noise=0.1, flips=True)
    whole = steps(joint(data_file, unlabelled, augmentation=augmentation)[0], 5)
    rest = steps(joint(data_file, unlabelled, first_step=3, augmentation=augmentation)[0], 2)
    for expected, found in zip(whole[3:], rest, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(expected, found, strict=True))
