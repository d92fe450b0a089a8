"""Where a GeoTIFF says it lies: corners only in WGS 84, other systems as they stand."""

import io
import json
import struct

from hypothesis import given
from hypothesis import strategies as st

from ingest.extraction import Fact
from ingest.extractors import geotiff, image


def facts(data):
    return {
        one.name: one for one in geotiff.extract(io.BytesIO(data), None) if isinstance(one, Fact)
    }


def test_the_corners_of_a_raster_in_wgs_84_are_places():
    found = facts(geotiff.SAMPLE)
    assert found["GeoTiff:GTModelType"].value == "Geographic"
    assert found["GeoTiff:GTCitation"].value == "Bridge"
    assert (found["GeoTiff:UpperLeft"].value, found["GeoTiff:UpperLeft"].kind) == (
        "50.5 30.5",
        "place",
    )
    assert found["GeoTiff:LowerRight"].value == "50.4 30.7"
    assert found["GeoTiff:Center"].value == "50.45 30.6"
    assert found["IFD0:PixelScale"].value == "0.01 0.01 0"


def test_another_system_is_no_place():
    other = geotiff.SAMPLE.replace(
        struct.pack("<4H", 2048, 0, 1, 4326), struct.pack("<4H", 2048, 0, 1, 4284)
    )
    assert not any(one.kind for one in facts(other).values())
    projected = geotiff.SAMPLE.replace(
        struct.pack("<4H", 1024, 0, 1, 2), struct.pack("<4H", 1024, 0, 1, 1)
    )
    assert not any(one.kind for one in facts(projected).values())


def test_a_tiff_that_is_none_says_nothing():
    assert facts(image.SAMPLE) == {}


@given(st.binary(max_size=12), st.integers(0, 300))
def test_a_changed_raster_gives_items_and_no_exception(patch, at):
    whole = geotiff.SAMPLE[:at] + patch + geotiff.SAMPLE[at + len(patch) :]
    for item in geotiff.extract(io.BytesIO(whole), None):
        json.dumps(item.to_json())
