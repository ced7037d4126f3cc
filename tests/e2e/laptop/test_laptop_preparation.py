"""How far the preparation of pictures is, as it is shown while it goes on."""

import io
import re
import signal
import socket
import urllib.error
import urllib.request

import pytest

numpy = pytest.importorskip("numpy")
images = pytest.importorskip("PIL.Image")

PICTURES = 160
DIFFERENT = 20
"""Each of them is there several times: decoding is what takes long, and encoding need not."""
SAMPLE = re.compile(r'^wattrain_(\w+)_prepared_samples\{[^}]*stage="reading"[^}]*\} (\S+)$', re.MULTILINE)


@pytest.fixture
def pictures(tmp_path):
    """Large pictures of one colour, which take some seconds to decode."""
    for number in range(DIFFERENT):
        content = io.BytesIO()
        pixels = numpy.full((1800, 1800, 3), 10 * number, numpy.uint8)
        images.fromarray(pixels).save(content, "PNG", compress_level=1)
        for copy in range(PICTURES // DIFFERENT):
            file = tmp_path / "pictures" / ("ant", "bee")[number % 2] / f"{number}-{copy}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.getvalue())
    return tmp_path / "pictures"


def test_status_and_metrics_tell_how_many_pictures_have_been_decoded(laptop, write_job, pictures):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    seen: dict[str, float] = {}

    def page():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                return answer.read().decode()
        except urllib.error.URLError:
            return ""

    def is_seen():
        seen.update({of: float(value) for of, value in SAMPLE.findall(page()) if float(value) < PICTURES})
        return {"worker", "trainingjob"} <= seen.keys() and halfway()

    def halfway():
        shown = [line["status"]["prepared"] for line in laptop.lines if "prepared" in line.get("status", {})]
        return [told for told in shown if told["stage"] == "reading" and told["samples"] < PICTURES]

    job = write_job(
        recipe={"name": "resnet"},
        data={"source": {"uri": str(pictures)}, "image": {"size": 32}},
        training={"maxSteps": 1, "batchSize": 8},
        workers={"replicas": 1},
    )
    laptop.start(job, "--metrics-port", port)
    laptop.wait_until(is_seen)
    assert all(0 < value < PICTURES for value in seen.values()), seen
    for told in halfway():
        assert told["total"] == PICTURES
        assert told["percent"] == round(100 * told["samples"] / PICTURES, 1)
        assert told["samplesPerSecond"] > 0
    laptop.signal(signal.SIGKILL)  # its workers end with it
    laptop.finish()
    laptop.wait_for_no_process()
