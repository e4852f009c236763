package org.skinedge.core

import org.json.JSONObject
import org.junit.Test
import org.junit.runner.RunWith
import org.junit.runners.Parameterized

/** Each step of reading a frame gives the bytes of the Python library. */
@RunWith(Parameterized::class)
class GoldenFrameTest(@Suppress("unused") private val name: String, private val case: JSONObject) {
    private val rotation = case.getInt("rotation")
    private val reader = FrameReader(case.getInt("input_width"), case.getInt("input_height"))

    @Test
    fun rgb() = GoldenPixels.assertStep(case, "rgb", rgb(GoldenPixels.frame(case, direct = false)))

    @Test
    fun uprightSquare() {
        val frame = GoldenPixels.frame(case, direct = true)
        val side = minOf(frame.width, frame.height)
        GoldenPixels.assertStep(case, "square", FrameReader(side, side).bytes(frame, rotation))
    }

    @Test
    fun inputFromHeap() =
        GoldenPixels.assertStep(case, "input", reader.bytes(GoldenPixels.frame(case, direct = false), rotation))

    @Test
    fun inputFromDirectMemory() =
        GoldenPixels.assertStep(case, "input", reader.bytes(GoldenPixels.frame(case, direct = true), rotation))

    companion object {
        @JvmStatic
        @Parameterized.Parameters(name = "{0}")
        fun cases() = GoldenPixels.named("frames")
    }
}
