package org.skinedge.core

import java.nio.ByteBuffer
import java.security.MessageDigest
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.fail

/** The golden vectors of tools/golden_android_pixels.py, and what the tests compare with them. */
object GoldenPixels {
    val cases = JSONObject(String(Scene.resource("cases.json")))
    private val kept = Scene.resource("expected.bin")

    fun named(kind: String): List<Array<Any>> =
        cases.getJSONArray(kind).map { arrayOf((it as JSONObject).getString("name"), it) }

    fun frame(case: JSONObject, direct: Boolean): YuvFrame = Scene.frame(
        case.getInt("x"),
        case.getInt("y"),
        case.getInt("width"),
        case.getInt("height"),
        case.getString("layout"),
        case.getInt("y_row_stride"),
        case.getInt("uv_row_stride"),
        direct,
    )

    /** Fails unless the pixels are those of this step, naming the first byte that differs. */
    fun assertStep(case: JSONObject, step: String, actual: ByteArray) {
        val expected = case.getJSONObject(step)
        if (expected.has("at")) {
            val start = expected.getInt("at")
            for (i in actual.indices) {
                if (actual[i] != kept[start + i]) {
                    fail("$step: byte $i is ${actual[i].toInt() and 0xff}, not ${kept[start + i].toInt() and 0xff}")
                }
            }
        }
        assertEquals("sha256 after step $step", expected.getString("sha256"), sha256(actual))
    }

    fun sha256(bytes: ByteArray): String =
        MessageDigest.getInstance("SHA-256").digest(bytes).joinToString("") { "%02x".format(it) }
}

/** The whole frame as RGB, before any turn: `[height * width * 3]`. */
fun rgb(frame: YuvFrame): ByteArray {
    val rows = RgbRows()
    rows.open(frame, 0, frame.width, false)
    val line = RgbLine(frame.width)
    val pixels = ByteArray(3 * frame.width * frame.height)
    for (y in 0 until frame.height) {
        rows.read(y, line)
        for (x in 0 until frame.width) {
            val at = 3 * (y * frame.width + x)
            pixels[at] = line.red[x].toInt().toByte()
            pixels[at + 1] = line.green[x].toInt().toByte()
            pixels[at + 2] = line.blue[x].toInt().toByte()
        }
    }
    return pixels
}

fun FrameReader.bytes(frame: YuvFrame, rotation: Int): ByteArray {
    val input = ByteBuffer.allocateDirect(3 * inputWidth * inputHeight)
    read(frame, rotation, input)
    return ByteArray(input.remaining()).also { input.get(it) }
}
