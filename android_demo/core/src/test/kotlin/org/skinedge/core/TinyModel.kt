package org.skinedge.core

import com.google.flatbuffers.FlatBufferBuilder
import java.nio.ByteBuffer
import java.util.zip.CRC32
import org.json.JSONArray
import org.json.JSONObject
import org.tensorflow.lite.schema.BufferT
import org.tensorflow.lite.schema.BuiltinOperator
import org.tensorflow.lite.schema.BuiltinOptions
import org.tensorflow.lite.schema.BuiltinOptionsUnion
import org.tensorflow.lite.schema.MetadataT
import org.tensorflow.lite.schema.Model
import org.tensorflow.lite.schema.ModelT
import org.tensorflow.lite.schema.OperatorCodeT
import org.tensorflow.lite.schema.OperatorT
import org.tensorflow.lite.schema.QuantizationParametersT
import org.tensorflow.lite.schema.ReshapeOptionsT
import org.tensorflow.lite.schema.SubGraphT
import org.tensorflow.lite.schema.TensorT
import org.tensorflow.lite.schema.TensorType
import org.tensorflow.lite.support.metadata.schema.AssociatedFileT
import org.tensorflow.lite.support.metadata.schema.ModelMetadata
import org.tensorflow.lite.support.metadata.schema.ModelMetadataT
import org.tensorflow.lite.support.metadata.schema.SubGraphMetadataT
import org.tensorflow.lite.support.metadata.schema.TensorMetadataT

/**
 * A model file of two kilobytes that returns its own twelve numbers, twice: a test can say what comes out.
 *
 * Each property is what one test makes wrong or otherwise.
 *
 * @property input type of the pixels `[1, 2, 2, 3]`: UINT8 or FLOAT32, or one that SkinEdge does not take
 * @property output type of both heads; INT8 goes with UINT8 pixels, else the type of the pixels
 * @property map height and width, as the card says; null for a card without one
 */
data class TinyModel(
    val input: Byte = TensorType.UINT8,
    val output: Byte = input,
    val shape: List<Int> = listOf(1, 2, 2, 3),
    val classes: Int = 12,
    val map: Pair<Int, Int>? = 3 to 4,
    val heads: Int = 2,
    val codes: List<String> = List(classes) { "class$it" },
    val change: (JSONObject) -> Unit = {},
) {
    private val values = shape.fold(1, Int::times)

    /** The whole file, in direct memory. */
    fun file(): ByteBuffer {
        val flatbuffer = flatbuffer()
        val card = card(flatbuffer).also(change)
        return packed(flatbuffer, mapOf("labels.txt" to codes.joinToString("\n"), "skinedge.json" to "$card"))
    }

    private fun card(flatbuffer: ByteArray) =
        JSONObject(
            mapOf(
                "schema" to 1,
                "flatbuffer_bytes" to flatbuffer.size,
                "flatbuffer_crc32" to CRC32().apply { update(flatbuffer) }.value,
                "labels" to List(classes) {
                    mapOf("code" to "class$it", "name" to "Class $it", "malignant" to (it < 2))
                },
                "attention" to (map?.let { mapOf("height" to it.first, "width" to it.second) } ?: JSONObject.NULL),
                "input" to mapOf("height" to 2, "width" to 2, "scale" to 1 / 128.0, "zero" to 127),
                "quantization" to JSONObject.NULL,
                "thresholds" to JSONArray(),
                "metrics" to mapOf(
                    "images" to 9,
                    "split" to "test",
                    "balanced_accuracy" to 0.5,
                    "macro_auroc" to 0.75,
                    "melanoma_auroc" to JSONObject.NULL,
                ),
            ),
        )

    private fun flatbuffer(): ByteArray {
        val quantizes = output != input
        val last = if (quantizes) 1 else 0
        val tensors = listOfNotNull(
            tensor("pixels", shape, input),
            if (quantizes) tensor("quantized", shape, output) else null,
            tensor("probabilities", listOf(1, values), output),
            tensor("attention", listOf(1, values), output),
        )
        val operators = List(heads) { operator(0, last, last + 1 + it, reshape(values)) }
        val graph = SubGraphT()
        graph.tensors = tensors.toTypedArray()
        graph.inputs = intArrayOf(0)
        graph.outputs = IntArray(heads) { last + 1 + it }
        graph.operators = (if (quantizes) listOf(operator(1, 0, 1, null)) + operators else operators).toTypedArray()
        val model = ModelT()
        model.version = 3
        model.operatorCodes = arrayOf(code(BuiltinOperator.RESHAPE), code(BuiltinOperator.QUANTIZE))
        model.subgraphs = arrayOf(graph)
        model.buffers = arrayOf(BufferT(), BufferT().apply { data = metadata() })
        model.metadata = arrayOf(MetadataT().apply { name = "TFLITE_METADATA"; buffer = 1 })
        val builder = FlatBufferBuilder()
        Model.finishModelBuffer(builder, Model.pack(builder, model))
        return builder.sizedByteArray()
    }

    private fun tensor(called: String, sizes: List<Int>, of: Byte) = TensorT().apply {
        name = called
        shape = sizes.toIntArray()
        type = of
        if (of == TensorType.UINT8 || of == TensorType.INT8) {
            quantization = QuantizationParametersT().apply {
                scale = floatArrayOf(1 / 256f)
                zeroPoint = longArrayOf(if (of == TensorType.INT8) -128 else 0)
            }
        }
    }

    private fun operator(code: Long, from: Int, to: Int, options: BuiltinOptionsUnion?) = OperatorT().apply {
        opcodeIndex = code
        inputs = intArrayOf(from)
        outputs = intArrayOf(to)
        if (options != null) builtinOptions = options
    }

    private fun reshape(count: Int) = BuiltinOptionsUnion().apply {
        type = BuiltinOptions.ReshapeOptions
        value = ReshapeOptionsT().apply { newShape = intArrayOf(1, count) }
    }

    private fun code(operator: Int) = OperatorCodeT().apply {
        builtinCode = operator
        deprecatedBuiltinCode = operator.toByte()
        version = 1
    }

    private fun metadata(): IntArray {
        val labels = TensorMetadataT().apply {
            associatedFiles = arrayOf(AssociatedFileT().apply { name = "labels.txt" })
        }
        val graph = SubGraphMetadataT().apply {
            inputTensorMetadata = arrayOf(TensorMetadataT())
            outputTensorMetadata = Array(heads) { labels }
        }
        val about = ModelMetadataT().apply {
            name = "Tiny"
            description = "Returns its pixels."
            version = "1"
            license = "none"
            subgraphMetadata = arrayOf(graph)
        }
        val builder = FlatBufferBuilder()
        ModelMetadata.finishModelMetadataBuffer(builder, ModelMetadata.pack(builder, about))
        return builder.sizedByteArray().map { it.toInt() and 0xff }.toIntArray()
    }
}
