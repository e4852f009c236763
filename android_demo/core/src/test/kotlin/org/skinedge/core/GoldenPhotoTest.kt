package org.skinedge.core

import java.nio.ByteBuffer
import org.json.JSONObject
import org.junit.Test
import org.junit.runner.RunWith
import org.junit.runners.Parameterized

/** A photo's input has the bytes of the Python library, which reads the same pixels from a PNG. */
@RunWith(Parameterized::class)
class GoldenPhotoTest(@Suppress("unused") private val name: String, private val case: JSONObject) {
    @Test
    fun input() {
        val width = case.getInt("width")
        val height = case.getInt("height")
        val reader = PhotoReader(case.getInt("input_width"), case.getInt("input_height"))
        val input = ByteBuffer.allocate(3 * reader.inputWidth * reader.inputHeight)
        reader.read(Scene.photo(width, height, case.getBoolean("opaque")), width, height, input)
        GoldenPixels.assertStep(case, "input", input.array())
    }

    companion object {
        @JvmStatic
        @Parameterized.Parameters(name = "{0}")
        fun cases() = GoldenPixels.named("photos")
    }
}
