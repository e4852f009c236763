package org.skinedge.core

import java.io.File
import org.junit.AfterClass
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Assume.assumeTrue
import org.junit.Before
import org.junit.Test

/**
 * The embedded model, run by the app's own code on this desktop, answers real images as in Python.
 *
 * Their licence keeps them out of this repository. The system property `skinedge.real` names a folder
 * that `tools/golden_android_answers.py --real` wrote; without it these tests are skipped.
 */
class RealImagesTest {
    private val folder: String? = System.getProperty("skinedge.real")
    private val golden by lazy { Golden { File(folder, it).inputStream() } }

    @Before
    fun `there must be real images`() {
        assumeTrue("no real images: name their folder with -Dskinedge.real", folder != null)
    }

    @Test
    fun `every image gets the answer it gets in Python`() {
        assertTrue("${golden.cases.size} images are too few", golden.cases.size >= 200)
        assertEquals(emptyList<String>(), golden.cases.mapNotNull { classifier.disagreement(golden, it) })
    }

    @Test
    fun `the same class wins on every image, and many classes win`() {
        val expected = golden.cases.map { it.ranked[0] }
        assertTrue("only ${expected.toSet()} win", expected.toSet().size >= 5)
        assertEquals(expected, golden.cases.map { file.labels[classifier.winner(it.pixels(0, 1, 2))].code })
    }

    @Test
    fun `channels in the wrong order fail the same comparison`() {
        val wrong = golden.cases.mapNotNull { classifier.disagreement(golden, it, it.pixels(2, 1, 0)) }
        assertTrue("only ${wrong.size} fail", wrong.size > golden.cases.size / 2)
    }

    @Test
    fun `broken weights fail the same comparison`() {
        Classifier(file, brokenWeights(), 1).use { broken ->
            val wrong = golden.cases.mapNotNull { broken.disagreement(golden, it) }
            assertTrue("only ${wrong.size} fail", wrong.size > golden.cases.size / 2)
        }
    }

    companion object {
        private val file = ModelFile.read(embeddedModel)
        private val classifier = Classifier(file, embeddedModel, 1)

        @JvmStatic
        @AfterClass
        fun close() = classifier.close()
    }
}
