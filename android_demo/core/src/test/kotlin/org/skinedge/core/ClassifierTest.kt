package org.skinedge.core

import java.nio.ByteBuffer
import org.json.JSONObject
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import org.tensorflow.lite.schema.TensorType

/** The tensors of a model go in and come out by what the file says of them. */
class ClassifierTest {
    private val pixels = ByteArray(12) { (20 * it).toByte() }

    private fun open(model: TinyModel): Classifier {
        val content = model.file()
        return Classifier(ModelFile.read(content), content, 1)
    }

    private fun answer(model: TinyModel): Answer =
        open(model).use { classifier ->
            classifier.load(pixels)
            classifier.newAnswer().also(classifier::run)
        }

    private fun refusal(model: TinyModel): String {
        val message = assertThrows(ModelFileException::class.java) { open(model).close() }.message!!
        assertFalse(message, message.contains('\n'))
        return message
    }

    private fun assertSays(part: String, message: String) = assertTrue(message, message.contains(part))

    private fun assertPixels(answer: Answer) {
        val sum = (0..11).sumOf { 20 * it }
        assertArrayEquals(FloatArray(12) { 20f * it / sum }, answer.probabilities, 1e-6f)
        assertArrayEquals(FloatArray(12) { it / 11f }, answer.attention, 1e-6f)
    }

    @Test
    fun `unsigned tensors are read by their scale`() = assertPixels(answer(TinyModel()))

    @Test
    fun `signed tensors are read by their zero point`() = assertPixels(answer(TinyModel(output = TensorType.INT8)))

    @Test
    fun `a float model gets pixels as the card says`() {
        val positive = TinyModel(input = TensorType.FLOAT32) { it.getJSONObject("input").put("zero", 0) }
        assertPixels(answer(positive))
    }

    @Test
    fun `logits are refused`() {
        val error = assertThrows(ModelFileException::class.java) { answer(TinyModel(input = TensorType.FLOAT32)) }
        assertSays("no probability", error.message!!)
    }

    @Test
    fun `a model without a map has an answer without one`() {
        val answer = answer(TinyModel(map = null, heads = 1))
        assertEquals(12, answer.probabilities.size)
        assertEquals(0, answer.attention.size)
    }

    @Test
    fun `every run reads the image again`() {
        open(TinyModel()).use { classifier ->
            val answer = classifier.newAnswer()
            for (bright in 0..11) {
                classifier.load(ByteArray(12) { if (it == bright) -1 else 0 })
                classifier.run(answer)
                assertEquals(1f, answer.probabilities[bright], 0f)
                assertTrue(answer.inferenceNanos > 0)
            }
        }
    }

    @Test
    fun `the image may be written with moving or absolute positions`() {
        open(TinyModel()).use { classifier ->
            val answer = classifier.newAnswer()
            classifier.input.put(pixels)
            classifier.run(answer)
            assertPixels(answer)
        }
    }

    @Test
    fun `the model may be on the heap, and anywhere in a buffer`() {
        val content = TinyModel().file().bytes()
        val moved = ByteBuffer.allocateDirect(content.size + 16)
        moved.position(16)
        moved.duplicate().put(content)
        for (buffer in listOf(ByteBuffer.wrap(content), moved)) {
            Classifier(ModelFile.read(buffer), buffer, 2).use { classifier ->
                classifier.load(pixels)
                assertPixels(classifier.newAnswer().also(classifier::run))
            }
        }
    }

    @Test
    fun `labels must be as many as outputs`() {
        assertSays("returns 12 classes but names 11", refusal(TinyModel(classes = 11)))
    }

    @Test
    fun `the map must have the cells the card says`() {
        assertSays("map of 12 cells but says 3 x 5", refusal(TinyModel(map = 3 to 5)))
        assertSays("map of 0 cells but says 3 x 4", refusal(TinyModel(heads = 1)))
    }

    @Test
    fun `what is no image classifier is refused`() {
        assertSays("takes UINT8 [1, 12]", refusal(TinyModel(shape = listOf(1, 12))))
        assertSays("takes UINT8 [2, 1, 2, 3]", refusal(TinyModel(shape = listOf(2, 1, 2, 3))))
        assertSays("takes UINT8 [1, 1, 3, 4]", refusal(TinyModel(shape = listOf(1, 1, 3, 4))))
        assertSays("takes INT8 [1, 2, 2, 3]", refusal(TinyModel(input = TensorType.INT8)))
        assertSays("takes INT32", refusal(TinyModel(input = TensorType.INT32)))
    }

    @Test
    fun `a type that the interpreter's Java does not know is refused`() {
        assertSays("cannot run the model", refusal(TinyModel(input = TensorType.FLOAT16)))
    }

    @Test
    fun `numbers that the interpreter computes wrongly are refused`() {
        for ((weights, activations) in listOf("int4 per channel" to "float32", "int8 per channel" to "int16")) {
            val numbers = JSONObject(mapOf("weights" to weights, "activations" to activations))
            val message = refusal(TinyModel { it.put("quantization", numbers) })
            assertSays("$weights weights and $activations activations", message)
        }
    }

    @Test
    fun `a network that the interpreter cannot load is refused`() {
        val good = TinyModel().file()
        val half = native(good.bytes().copyOf(40))
        val error = assertThrows(ModelFileException::class.java) { Classifier(ModelFile.read(good), half, 1) }
        assertSays("this interpreter cannot run the model", error.message!!)
        assertFalse(error.message!!.contains('\n'))
    }
}
