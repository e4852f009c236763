package org.skinedge.core

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test
import kotlin.math.max

class GeometryTest {
    private val turns = listOf(0, 90, 180, 270)

    @Test
    fun `a phone's back camera turns against the display`() {
        assertEquals(listOf(90, 0, 270, 180), turns.map { uprightRotation(90, it, false) })
    }

    @Test
    fun `a phone's front camera turns with the display`() {
        assertEquals(listOf(270, 0, 90, 180), turns.map { uprightRotation(270, it, true) })
    }

    @Test
    fun `a camera mounted along the display is upright as it is`() {
        assertEquals(0, uprightRotation(0, 0, false))
        assertEquals(90, uprightRotation(0, 270, false))
    }

    @Test
    fun `the preferred size is taken where it exists`() {
        val sizes = listOf(FrameSize(1920, 1080), FrameSize(1280, 720), FrameSize(1280, 960))
        assertEquals(FrameSize(1280, 720), nearestSize(sizes))
    }

    @Test
    fun `else the nearest size is taken`() {
        val sizes = listOf(FrameSize(640, 480), FrameSize(1280, 960), FrameSize(4000, 3000))
        assertEquals(FrameSize(1280, 960), nearestSize(sizes))
        assertNull(nearestSize(emptyList()))
    }

    @Test
    fun `the guide is the largest centred square`() {
        assertEquals(Box(0f, 110f, 1080f, 1190f), centreSquare(1080, 1300))
        assertEquals(Box(150f, 0f, 1150f, 1000f), centreSquare(1300, 1000))
        assertEquals(Box(0.5f, 0f, 4.5f, 4f), centreSquare(5, 4))
    }

    @Test
    fun `a photo is shown whole`() {
        assertEquals(Box(0f, 245f, 1080f, 1055f), fitInside(4000, 3000, 1080, 1300).rounded())
        assertEquals(Box(275f, 0f, 1025f, 1000f), fitInside(600, 800, 1300, 1000))
        assertEquals(Box(0f, 50f, 100f, 50f), fitInside(Int.MAX_VALUE, 1, 100, 100).rounded())
    }

    @Test
    fun `an undistorted upright preview is left alone`() {
        val matrix = previewMatrix(FrameSize(1280, 720), 90, 0, 720, 1280)
        assertArrayEquals(floatArrayOf(1f, 0f, 0f, 0f, 1f, 0f, 0f, 0f, 1f), matrix, 1e-6f)
    }

    @Test
    fun `the frame's square covers the guide however the device is held`() {
        for (frame in listOf(FrameSize(1280, 720), FrameSize(640, 480), FrameSize(720, 720))) {
            for (sensor in turns) for (display in turns) for (view in listOf(1080 to 1300, 1300 to 700)) {
                val (width, height) = view
                val matrix = previewMatrix(frame, sensor, display, width, height)
                val natural = if (sensor % 180 == 0) frame else FrameSize(frame.height, frame.width)
                val mapped = stretched(centreSquare(natural.width, natural.height), natural, width, height)
                    .corners().map { matrix.map(it) }.bounds()
                assertEquals(centreSquare(width, height), mapped.rounded())
            }
        }
    }

    @Test
    fun `the display's turn is taken back`() {
        val up = Pair(500f, 0f)  // the middle of the top edge in the natural orientation
        fun shown(display: Int) =
            previewMatrix(FrameSize(1000, 1000), 90, display, 1000, 1000).map(up)
        assertEquals(Pair(500f, 0f), shown(0))
        assertEquals(Pair(0f, 500f), shown(90))  // held with its top to the left
        assertEquals(Pair(500f, 1000f), shown(180))
        assertEquals(Pair(1000f, 500f), shown(270))
    }

    @Test
    fun `preview and analysis agree on what is up`() {
        // A corner of the sensor's frame, as the preview shows it and as the analysis turns it.
        for (sensor in turns) for (display in turns) {
            val onSensor = Pair(100f, 200f)
            val natural = turned(onSensor, sensor)
            val shown = previewMatrix(FrameSize(1000, 1000), sensor, display, 1000, 1000).map(natural)
            val analysed = turned(onSensor, uprightRotation(sensor, display, facesUser = false))
            assertEquals(analysed, shown)
        }
    }

    @Test
    fun `the mirrored preview of a front camera mirrors what is analysed`() {
        for (sensor in turns) for (display in turns) {
            val onSensor = Pair(100f, 200f)
            val (x, y) = turned(onSensor, sensor)
            val mirrored = Pair(1000 - x, y)  // the system mirrors in the natural orientation
            val shown = previewMatrix(FrameSize(1000, 1000), sensor, display, 1000, 1000).map(mirrored)
            val analysed = turned(onSensor, uprightRotation(sensor, display, facesUser = true))
            assertEquals(Pair(1000 - analysed.first, analysed.second), shown)
        }
    }

    @Test
    fun `photos are sampled to the limit and no further`() {
        assertEquals(1, sampleSize(4032, 3024, 12_500_000))
        assertEquals(2, sampleSize(4096, 3072, 12_500_000))
        assertEquals(4, sampleSize(12000, 9000, 12_500_000))
        assertEquals(1, sampleSize(1, 1, 1))
        for ((width, height) in listOf(16384 to 16384, 100_000_000 to 1, 5 to 7_000_000)) {
            val sample = sampleSize(width, height, 12_500_000)
            assertTrue((width / sample).toLong() * max(1, height / sample) <= 12_500_000)
        }
    }

    /** A point of a square frame of 1000 pixels after a clockwise turn. */
    private fun turned(point: Pair<Float, Float>, degrees: Int): Pair<Float, Float> {
        val (x, y) = point
        return when (degrees) {
            0 -> point
            90 -> Pair(1000 - y, x)
            180 -> Pair(1000 - x, 1000 - y)
            else -> Pair(y, 1000 - x)
        }
    }

    private fun stretched(box: Box, from: FrameSize, width: Int, height: Int) = Box(
        box.left * width / from.width,
        box.top * height / from.height,
        box.right * width / from.width,
        box.bottom * height / from.height,
    )

    private fun Box.corners() = listOf(Pair(left, top), Pair(right, bottom))

    private fun List<Pair<Float, Float>>.bounds() = Box(
        minOf { it.first }, minOf { it.second }, maxOf { it.first }, maxOf { it.second },
    )

    private fun Box.rounded() = Box(
        Math.round(left).toFloat(), Math.round(top).toFloat(),
        Math.round(right).toFloat(), Math.round(bottom).toFloat(),
    )

    private fun FloatArray.map(point: Pair<Float, Float>): Pair<Float, Float> {
        val (x, y) = point
        return Pair(this[0] * x + this[1] * y + this[2], this[3] * x + this[4] * y + this[5])
    }
}
