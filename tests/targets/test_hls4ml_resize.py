"""hls4ml on repeated and cropped pixels: equal bits, and what is refused when it is another."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from networks import _finished, trying

from hepnn import vocabularies
from hepnn.data import scaling
from hepnn.errors import TargetError
from hepnn.targets import hls4ml
from hepnn.targets.hls4ml import resize
from hepnn.targets.kit import Kit

KIT = Kit(name="test", title="test", targets=["hls4ml"])


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
@pytest.mark.parametrize("vocabulary", ["hgq", pytest.param("qkeras", marks=pytest.mark.long)])
def test_moved_pixels_repeat_the_bits(vocabulary: str, tmp_path: Path) -> None:
    """A quantizer with one width, as `qkeras` has, is merged with the repetition before it."""
    import keras

    x = np.random.default_rng(3).normal(1, 3, (200, 3, 3, 2)).astype(np.float32)
    keras.utils.set_random_seed(4)
    nn = vocabularies.get(vocabulary)
    inputs = keras.Input(x.shape[1:])
    h = nn.input_scaling(x.shape[1:], scaling.standard(x))(inputs)
    h = nn.Conv2D(2, 2, activation="relu", name="first")(h)
    h = nn.UpSampling2D((2, 3), name="repeated")(h)
    h = nn.Conv2D(2, 2, name="second")(h)
    h = nn.Cropping2D(((1, 0), (0, 2)), name="cropped")(h)
    h = nn.Conv2D(2, 1, name="third")(h)
    model = keras.Model(inputs, nn.Dense(3, name="logits")(nn.Flatten(name="flat")(h)))
    model = _finished(model, vocabulary, x, uneven=True)
    tried = trying(x)
    wanted = model.predict(tried, verbose=0)
    assert len(np.unique(wanted, axis=0)) > 100
    assert {row.verdict for row in hls4ml.check(model, KIT)} == {"exact"}
    (artefact,) = hls4ml.write(model, tmp_path, kit=KIT, calibration=x, exact=True)
    np.testing.assert_array_equal(artefact.predict(tried), wanted)


def test_outside_the_block_hls4ml_is_as_it_was() -> None:
    from hls4ml.model.layers import Cropping2D, Resize
    from hls4ml.model.optimizer.passes import bit_exact

    with resize.mended():
        assert bit_exact._produce_kif.dispatch(Resize) is not bit_exact._produce_kif.dispatch(
            object
        )
    for function in (bit_exact._produce_kif, bit_exact._request_kif):
        for kind in (Resize, Cropping2D):
            assert function.dispatch(kind) is function.dispatch(object)


def test_sources_of_another_version_are_refused(tmp_path: Path) -> None:
    header = tmp_path / "firmware" / "nnet_utils" / "nnet_image.h"
    header.parent.mkdir(parents=True)
    header.write_text("template <class data_T> void resize_nearest();")
    with pytest.raises(TargetError, match=r"nnet_image.h does not repeat as hls4ml 1\.3 does"):
        resize.mend_types(tmp_path)
