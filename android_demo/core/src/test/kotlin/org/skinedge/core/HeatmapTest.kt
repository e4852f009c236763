package org.skinedge.core

import kotlin.math.abs
import org.json.JSONArray
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test

class HeatmapTest {
    private val golden = Golden.drawn.overlay

    @Test
    fun `laid over an image it looks as in Python`() {
        val attention = golden.getJSONArray("attention").floats()
        val base = golden.getInt("base")
        val colours = IntArray(attention.size)
        for (strength in listOf("0.5", "1.0")) {
            Heatmap().colours(attention, strength.toFloat(), colours)
            val expected = golden.getJSONObject("rgb").getJSONArray(strength).lists().map(JSONArray::integers)
            for (i in attention.indices) {
                val alpha = (colours[i] ushr 24) / 255.0
                for (channel in 0..2) {
                    val colour = colours[i] shr (16 - 8 * channel) and 0xff
                    val blended = base * (1 - alpha) + colour * alpha
                    val apart = abs(blended - expected[i][channel])
                    assertTrue("strength $strength, level $i, channel $channel: $apart", apart <= 1)
                }
            }
        }
    }

    @Test
    fun `no attention and no strength are transparent`() {
        val colours = IntArray(2)
        Heatmap().colours(floatArrayOf(0f, 1f), 1f, colours)
        assertEquals(listOf(0, 255), colours.map { it ushr 24 })
        Heatmap().colours(floatArrayOf(0f, 1f), 0f, colours)
        assertEquals(listOf(0, 0), colours.map { it ushr 24 })
    }

    @Test
    fun `what lies outside 0 to 1 is taken for the nearer end`() {
        val colours = IntArray(4)
        Heatmap().colours(floatArrayOf(-0.5f, 0f, 1f, 1.5f), 0.5f, colours)
        assertEquals(colours[1], colours[0])
        assertEquals(colours[2], colours[3])
    }
}
