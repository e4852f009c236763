package org.skinedge.core

import java.io.File
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Assume.assumeTrue
import org.junit.Before
import org.junit.Test

/**
 * Their licence keeps real images out of this repository. The system property `skinedge.real` names a
 * folder that `tools/golden_android_answers.py --real` wrote; without it these tests are skipped.
 */
class RealImagesTest : SameAnswers() {
    private val folder: String? = System.getProperty("skinedge.real")
    override val golden by lazy { Golden { File(folder, it).inputStream() } }

    @Before
    fun `there must be real images`() {
        assumeTrue("no real images: name their folder with -Dskinedge.real", folder != null)
    }

    @Test
    fun `there are enough of them`() {
        assertTrue("${golden.cases.size} images are too few", golden.cases.size >= 200)
    }

    @Test
    fun `the same class wins on every image, and many classes win`() {
        val expected = golden.cases.map { it.ranked[0] }
        assertTrue("only ${expected.toSet()} win", expected.toSet().size >= 5)
        assertEquals(expected, golden.cases.map { file.labels[classifier.winner(it.pixels(0, 1, 2))].code })
    }
}
