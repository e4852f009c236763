package org.skinedge.core

import java.nio.ByteBuffer
import java.nio.ByteOrder
import org.tensorflow.lite.DataType
import org.tensorflow.lite.InterpreterApi
import org.tensorflow.lite.InterpreterApi.Options.TfLiteRuntime

/**
 * Runs a model through TensorFlow Lite's interface, which LiteRT 1.x has too. Not thread-safe.
 *
 * @param file what `content` says of itself
 * @param content the model file, from the buffer's position to its limit; mapped or direct, it is not
 *   copied, and must not change while the classifier is open
 * @param threads of the interpreter, 1 or more
 * @throws ModelFileException for a model that this interpreter cannot run, that is no image
 *   classifier, or whose outputs do not fit its labels and map
 */
class Classifier(private val file: ModelFile, content: ByteBuffer, threads: Int) : AutoCloseable {
    private val interpreter = interpreter(file, content, threads)
    private val heads = closingOnFailure { checkedHeads() }
    private val outputs: Map<Int, Any> = heads.indices.associateWith { heads[it].bytes }
    private val takesFloats = interpreter.getInputTensor(0).dataType() == DataType.FLOAT32
    private val tensor = direct(interpreter.getInputTensor(0).numBytes())

    val inputHeight: Int = interpreter.getInputTensor(0).shape()[1]
    val inputWidth: Int = interpreter.getInputTensor(0).shape()[2]

    /** The next image, from index 0 on: RGB uint8 `[inputHeight, inputWidth, 3]`; direct, native order. */
    val input: ByteBuffer = if (takesFloats) direct(3 * inputWidth * inputHeight) else tensor

    private val inputs = arrayOf<Any>(tensor)

    /** What a float32 model takes for each of the 256 values of a pixel. */
    private val levels = FloatArray(256) { (it - file.inputZero) * file.inputScale }

    /** An answer of this model's size. */
    fun newAnswer() = Answer(file.labels.size, file.mapWidth * file.mapHeight)

    /**
     * Classifies the image in [input]; allocates nothing itself.
     *
     * @throws ModelFileException for a model that returns logits or NaN
     */
    fun run(answer: Answer) {
        val start = System.nanoTime()
        infer(answer)
        answer.normalise()
        answer.inferenceNanos = System.nanoTime() - start
    }

    /** Dequantizes what the heads say and leaves it at that. */
    internal fun infer(answer: Answer) {
        if (takesFloats) {
            for (i in 0 until input.capacity()) tensor.putFloat(4 * i, levels[input.get(i).toInt() and 0xff])
        }
        for (i in heads.indices) heads[i].rewind()
        try {
            interpreter.runForMultipleInputsOutputs(inputs, outputs)
        } catch (error: IllegalArgumentException) {
            throw unusable(error)
        } catch (error: IllegalStateException) {
            throw unusable(error)
        }
        heads[0].read(answer.probabilities)
        if (answer.probabilities.any { !(it >= 0) }) { // NaN is neither
            throw ModelFileException("the model returns what is no probability; end it with a softmax")
        }
        if (heads.size > 1) heads[1].read(answer.attention)
    }

    override fun close() = interpreter.close()

    private fun <T> closingOnFailure(build: () -> T): T =
        try {
            build()
        } catch (error: ModelFileException) {
            interpreter.close()
            throw error
        } catch (error: IllegalArgumentException) { // a tensor that this interpreter's Java has no type for
            interpreter.close()
            throw unusable(error)
        }

    private fun checkedHeads(): List<Head> {
        val image = interpreter.getInputTensor(0)
        val shape = image.shape()
        val first = interpreter.getOutputTensor(0).shape()
        val takesPixels = image.dataType() == DataType.UINT8 || image.dataType() == DataType.FLOAT32
        val isImage = interpreter.inputTensorCount == 1 && shape.size == 4 && shape[0] == 1 && shape[3] == 3
        if (!takesPixels || !isImage || first.size != 2 || first[0] != 1) {
            throw ModelFileException(
                "the model takes ${image.dataType()} ${shape.asList()} and returns ${first.asList()}; SkinEdge " +
                    "runs image classifiers: uint8 or float32 [1, H, W, 3] to [1, classes]",
            )
        }
        if (first[1] != file.labels.size) {
            throw ModelFileException(
                "the model returns ${first[1]} classes but names ${file.labels.size}; export it again",
            )
        }
        val cells = file.mapWidth * file.mapHeight
        if (cells == 0) return listOf(Head(interpreter.getOutputTensor(0)))
        val found = if (interpreter.outputTensorCount > 1) interpreter.getOutputTensor(1).numElements() else 0
        if (found != cells) {
            throw ModelFileException(
                "the model returns a map of $found cells but says ${file.mapHeight} x ${file.mapWidth}; " +
                    "export it again",
            )
        }
        return List(2) { Head(interpreter.getOutputTensor(it)) }
    }

    private companion object {
        fun interpreter(file: ModelFile, content: ByteBuffer, threads: Int): InterpreterApi {
            // TensorFlow Lite before 2.19 takes such a file, and returns nonsense or crashes.
            if (file.weights.startsWith("int4") || file.activations == "int16") {
                throw ModelFileException(
                    "the model has ${file.weights} weights and ${file.activations} activations, which this " +
                        "app's interpreter computes wrongly; compress it to int8",
                )
            }
            val options = InterpreterApi.Options()
                .setRuntime(TfLiteRuntime.FROM_APPLICATION_ONLY)
                .setNumThreads(threads)
                .setUseXNNPACK(true)
            try {
                val interpreter = InterpreterApi.create(addressable(content), options)
                interpreter.allocateTensors()
                return interpreter
            } catch (error: IllegalArgumentException) {
                throw unusable(error)
            } catch (error: IllegalStateException) {
                throw unusable(error)
            }
        }

        /** The interpreter takes native memory, from its first byte on, in native order. */
        fun addressable(content: ByteBuffer): ByteBuffer {
            val whole = content.slice()
            if (whole.isDirect) return whole.order(ByteOrder.nativeOrder())
            return direct(whole.limit()).also { it.duplicate().put(whole) }
        }

        fun direct(bytes: Int): ByteBuffer = ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder())

        fun unusable(error: RuntimeException): ModelFileException {
            val reason = error.message.orEmpty().lineSequence().firstOrNull(String::isNotBlank) ?: error.javaClass.name
            return ModelFileException("this interpreter cannot run the model ($reason); export it again", error)
        }
    }
}
