package org.tensorflow.lite

import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import org.bytedeco.javacpp.BytePointer
import org.bytedeco.tensorflowlite.TfLiteInterpreter
import org.bytedeco.tensorflowlite.TfLiteModel
import org.bytedeco.tensorflowlite.TfLiteTensor
import org.bytedeco.tensorflowlite.global.tensorflowlite.*
import org.tensorflow.lite.nnapi.NnApiDelegate

/**
 * TensorFlow Lite for the desktop: `InterpreterApi.create` finds this class by its name, as it finds
 * the one of `org.tensorflow:tensorflow-lite` on a phone, so that the app's own code runs a real model.
 *
 * Only what the app calls is there, over TensorFlow Lite's C interface, and as strict about buffers as
 * on a phone.
 */
class InterpreterFactoryImpl : InterpreterFactoryApi {
    override fun create(content: ByteBuffer, options: InterpreterApi.Options): InterpreterApi =
        DesktopInterpreter(content, options)

    override fun create(file: File, options: InterpreterApi.Options) = unused()

    override fun runtimeVersion(): String = TfLiteVersion().string

    override fun schemaVersion() = unused()

    override fun createNnApiDelegateImpl(options: NnApiDelegate.Options) = unused()
}

private fun unused(): Nothing = throw UnsupportedOperationException("not part of the desktop runtime")

private class DesktopInterpreter(content: ByteBuffer, options: InterpreterApi.Options) : InterpreterApi {
    private val model: TfLiteModel
    private val delegate = if (options.useXNNPACK) XnnpackDelegate(options.numThreads) else null
    private val interpreter: TfLiteInterpreter

    init {
        require(content.isDirect && content.order() == ByteOrder.nativeOrder()) {
            "Model ByteBuffer should be a direct ByteBuffer using ByteOrder.nativeOrder()"
        }
        model = TfLiteModelCreate(BytePointer(content), content.capacity().toLong())
            ?: throw IllegalArgumentException("ByteBuffer is not a valid TensorFlow Lite model flatbuffer")
        val native = TfLiteInterpreterOptionsCreate()
        TfLiteInterpreterOptionsSetNumThreads(native, options.numThreads)
        if (delegate != null) TfLiteInterpreterOptionsAddDelegate(native, delegate.handle)
        interpreter = TfLiteInterpreterCreate(model, native)
            ?: throw IllegalArgumentException("Internal error: Cannot create interpreter")
        TfLiteInterpreterOptionsDelete(native)
    }

    override fun allocateTensors() {
        check(TfLiteInterpreterAllocateTensors(interpreter) == kTfLiteOk) { "Internal error: Failed to allocate" }
    }

    override fun runForMultipleInputsOutputs(inputs: Array<Any>, outputs: Map<Int, Any>) {
        for (i in inputs.indices) {
            val source = inputs[i] as ByteBuffer
            val tensor = TfLiteInterpreterGetInputTensor(interpreter, i)
            val size = TfLiteTensorByteSize(tensor)
            require(source.isDirect && source.order() == ByteOrder.nativeOrder() && source.capacity() == size.toInt()) {
                "Cannot copy to a TensorFlowLite tensor with $size bytes from $source"
            }
            TfLiteTensorCopyFromBuffer(tensor, BytePointer(source).position(0), size)
        }
        check(TfLiteInterpreterInvoke(interpreter) == kTfLiteOk) { "Internal error: Failed to run" }
        for ((i, output) in outputs) (output as ByteBuffer).put(getOutputTensor(i).asReadOnlyBuffer())
    }

    override fun getInputTensorCount() = TfLiteInterpreterGetInputTensorCount(interpreter)

    override fun getInputTensor(index: Int): Tensor = DesktopTensor(TfLiteInterpreterGetInputTensor(interpreter, index))

    override fun getOutputTensorCount() = TfLiteInterpreterGetOutputTensorCount(interpreter)

    override fun getOutputTensor(index: Int): Tensor =
        DesktopTensor(TfLiteInterpreterGetOutputTensor(interpreter, index))

    override fun close() {
        TfLiteInterpreterDelete(interpreter)
        delegate?.close()
        TfLiteModelDelete(model)
    }

    override fun run(input: Any, output: Any) = unused()

    override fun resizeInput(index: Int, shape: IntArray) = unused()

    override fun resizeInput(index: Int, shape: IntArray, strict: Boolean) = unused()

    override fun getInputIndex(name: String) = unused()

    override fun getOutputIndex(name: String) = unused()

    override fun getLastNativeInferenceDurationNanoseconds() = unused()
}

private class DesktopTensor(private val tensor: TfLiteTensor) : Tensor {
    override fun dataType(): DataType =
        when (val type = TfLiteTensorType(tensor)) {
            kTfLiteFloat32 -> DataType.FLOAT32
            kTfLiteInt32 -> DataType.INT32
            kTfLiteUInt8 -> DataType.UINT8
            kTfLiteInt64 -> DataType.INT64
            kTfLiteBool -> DataType.BOOL
            kTfLiteInt16 -> DataType.INT16
            kTfLiteInt8 -> DataType.INT8
            else -> throw IllegalArgumentException("DataType error: DataType $type is not recognized in Java.")
        }

    override fun numDimensions() = TfLiteTensorNumDims(tensor)

    override fun numBytes() = TfLiteTensorByteSize(tensor).toInt()

    override fun numElements() = shape().fold(1, Int::times)

    override fun shape() = IntArray(numDimensions()) { TfLiteTensorDim(tensor, it) }

    override fun shapeSignature() = unused()

    override fun index() = unused()

    override fun name() = unused()

    override fun quantizationParams(): Tensor.QuantizationParams {
        val params = TfLiteTensorQuantizationParams(tensor)
        return Tensor.QuantizationParams(params.scale(), params.zero_point())
    }

    override fun asReadOnlyBuffer(): ByteBuffer =
        BytePointer(TfLiteTensorData(tensor)).capacity(numBytes().toLong()).asByteBuffer().asReadOnlyBuffer()
}
